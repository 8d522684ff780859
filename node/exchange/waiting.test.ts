import { test } from 'node:test'
import assert from 'node:assert/strict'
import {
  collect,
  createFixtureStudy,
  startGrantee,
  startHolder,
  until,
  coded,
  slices,
  firstOf,
} from './exchange.fixture.ts'

test('a reader that gives up waits no longer, and its place in the queue is free', async () => {
  const study = createFixtureStudy(slices(2))
  await using holder = await startHolder({
    study,
    wrap: (stream) => ({ ...stream, data: () => new Promise(() => undefined) }),
  })
  await using grantee = await startGrantee(holder)
  await using reader = await grantee.open()
  const stop = new AbortController()
  const waiting = collect(reader.read(firstOf(study.instances).sop, undefined, stop.signal))
  await until('it is asked for', () => study.reads.length > 0)
  stop.abort(new Error('the browser has gone'))
  await assert.rejects(waiting, /the browser has gone/)
})

test('a holder that sends nothing at all is not waited for for ever', async () => {
  const study = createFixtureStudy(slices(1))
  await using holder = await startHolder({
    study,
    wrap: (stream) => ({ ...stream, data: () => new Promise(() => undefined) }),
  })
  await using grantee = await startGrantee(holder, { limits: { bulkIdleTimeoutMs: 300 } })
  await using reader = await grantee.open()
  await assert.rejects(
    collect(reader.read(firstOf(study.instances).sop)),
    coded('holder_unreachable'),
  )
})

test('metadata is waited for until its reader leaves, and brought for those who stay or come later', async () => {
  const gate = Promise.withResolvers<void>()
  let wants = 0
  const study = createFixtureStudy(slices(1))
  await using holder = await startHolder({
    study,
    wrap: (stream) => ({
      ...stream,
      async *requests() {
        for await (const request of stream.requests()) {
          if (request.type === 'want' && 'metadata' in request.want) wants += 1
          yield request
        }
      },
      async data(...given) {
        await gate.promise
        await stream.data(...given)
      },
    }),
  })
  await using grantee = await startGrantee(holder)
  const readers = [await grantee.open(), await grantee.open()]
  const asked = readers.map((reader) => reader.metadata({}))
  const ends = Promise.allSettled(asked)
  await until('metadata is asked for', () => wants === 1)
  await readers[0]?.[Symbol.asyncDispose]()
  await assert.rejects(asked[0] ?? Promise.resolve(), coded('aborted'))
  await readers[1]?.[Symbol.asyncDispose]()
  await assert.rejects(asked[1] ?? Promise.resolve(), coded('aborted'))
  await assert.rejects(readers[1]?.metadata({}) ?? Promise.resolve(), coded('aborted'))
  await using leaving = await grantee.open()
  await using late = await grantee.open()
  const left = assert.rejects(leaving.metadata({}), coded('aborted'))
  const known = late.metadata({})
  await until('it is asked for once more', () => wants === 2)
  await leaving[Symbol.asyncDispose]()
  await left
  gate.resolve()
  assert.equal((await known).length, 1)
  await ends
})

test('lists of a holder that falls silent are not waited for for ever either', async () => {
  await using holder = await startHolder({
    study: createFixtureStudy(slices(1)),
    wrap: (stream) => ({ ...stream, data: () => new Promise(() => undefined) }),
  })
  await using grantee = await startGrantee(holder, { limits: { bulkIdleTimeoutMs: 300 } })
  await using reader = await grantee.open()
  await assert.rejects(reader.series(), coded('holder_unreachable'))
  await assert.rejects(reader.metadata({}), coded('holder_unreachable'))
})
