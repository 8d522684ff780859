import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import type { StudyReader } from '../../archive/archive.ts'
import { holder, openTestNode, remoteStudy } from '../http.fixture.ts'
import type { Transfer } from './transfer.ts'

const progress: Transfer = {
  state: 'fetching',
  instances: { done: 0, total: 2 },
  bytes: { done: 0, total: 2, received: 0 },
}

test('a study is closed of which nobody follows the transfer after all', async () => {
  let asked = Promise.withResolvers<void>()
  let proceed = Promise.resolve()
  const open = { readers: 0 }
  const doors = {
    async openStudy() {
      asked.resolve()
      await proceed
      open.readers++
      const study = {
        study: remoteStudy,
        holder,
        [Symbol.asyncDispose]: async () => void open.readers--,
      }
      return study as unknown as StudyReader
    },
    quarantine: async () => [],
    stillOpen: async () => ({ open: true as const }),
  }
  const transfers = { progress: () => progress, onProgress: () => () => undefined }
  await using node = await openTestNode({}, { doors, transfers })
  const headers = { ...node.as('radiologist'), accept: 'text/event-stream' }
  const place = `${node.url}/api/studies/${remoteStudy}/transfer`
  const closed = async (why: string) => {
    for (let n = 0; n < 100 && open.readers > 0; n++) await sleep(10)
    assert.equal(open.readers, 0, why)
  }

  await fetch(place, { method: 'HEAD', headers })
  await closed('only headers were asked for')

  asked = Promise.withResolvers()
  const opening = Promise.withResolvers<void>()
  proceed = opening.promise
  const leaving = new AbortController()
  const left = fetch(place, { headers, signal: leaving.signal }).catch(() => undefined)
  await asked.promise
  await sleep(50)
  leaving.abort()
  await left
  await sleep(50)
  opening.resolve()
  await setImmediate()
  await closed('the page was gone before the study was open')
})

test('a page is told of a change that comes while it begins to listen', async () => {
  const listeners = new Set<(transfer: Transfer) => void>()
  const transfers = {
    progress() {
      for (const listener of listeners) listener({ ...progress, state: 'complete' })
      return progress
    },
    onProgress(_: unknown, listener: (transfer: Transfer) => void) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }
  await using node = await openTestNode({}, { transfers })
  const headers = { ...node.as('radiologist'), accept: 'text/event-stream' }
  const signal = AbortSignal.timeout(5000)
  const place = `${node.url}/api/studies/${remoteStudy}/transfer`
  const response = await fetch(place, { headers, signal })
  assert.match(await response.text(), /"state":"complete"/)
  assert.equal(listeners.size, 0)
})
