import { test } from 'node:test'
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { ProtocolError } from '#protocol/errors.ts'
import { now } from '#protocol/federation.fixture.ts'
import { createLogWorld, logKey, noteOf, origin } from '#protocol/transparency/log.fixture.ts'
import { decodeEntry } from '#protocol/transparency/entries.ts'
import { openLevelStore } from '../store/level-store.ts'
import type { Store } from '../store/store.ts'
import { openTransparencyLog } from './log.ts'

/** A store that can be made to fail as a whole, as a disk does. */
async function openFailing() {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'cami-log-'))
  const store = await openLevelStore(dir)
  const disk = { isFailing: false }
  const tried = async <T>(work: () => Promise<T>): Promise<T> => {
    if (disk.isFailing) throw new ProtocolError('storage_failed', 'the disk gave an error')
    return await work()
  }
  const failing: Store = {
    get: (key) => tried(() => store.get(key)),
    list: (prefix, page) => tried(() => store.list(prefix, page)),
    last: (prefix) => tried(() => store.last(prefix)),
    write: (batch) => tried(() => store.write(batch)),
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]()
      await rm(dir, { recursive: true })
    },
  }
  return { store: failing, disk }
}

test('an act that could neither be written nor be taken back leaves no gap in the log', async () => {
  const { store, disk } = await openFailing()
  await using _ = store
  const { beginning, authority } = await createLogWorld('off')
  const deps = { store, key: logKey, origin, authority: authority.kid, clock: () => now }
  const log = await openTransparencyLog({ ...deps, onAppend: () => undefined })
  const [first, second, ...rest] = beginning
  assert.ok(first !== undefined && second !== undefined)
  await log.write([first, second], [])
  disk.isFailing = true
  await assert.rejects(log.write(rest, []), { code: 'storage_failed' })
  disk.isFailing = false
  await log.write(rest, [])
  const entries = (await log.entries(0)).map((text) => decodeEntry(Buffer.from(text)))
  assert.equal(entries.length, beginning.length)
  assert.equal(log.checkpoint(), await noteOf(entries))
})
