import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { Sha256 } from '#protocol/ids.ts'
import { silentLog } from '../log.ts'
import { temporaryFolder } from './archive.fixture.ts'
import { entryKey } from './catalog-keys.ts'
import type { Change } from './catalog-rows.ts'
import { openCatalog } from './catalog.ts'

/** What the log says of an index entry; each in a place of its own, end to end with the one before. */
const entry = (seq: number): Change => ({
  kind: 'entry',
  seq,
  location: { segment: 1, offset: seq * 100, payload: seq * 100, bytes: 10, streamed: false },
  sha256: 'a'.repeat(64) as Sha256,
  span: { segment: 1, start: (seq - 1) * 100, end: seq * 100, chain: Buffer.alloc(32, seq) },
})

test(
  'every change is written, also when repairs and batches meet',
  { timeout: 10_000 },
  async () => {
    await using folder = await temporaryFolder()
    await using catalog = await openCatalog(join(folder.path, 'c'), { log: silentLog, node: 'n' })
    const all: Promise<unknown>[] = []
    let seq = 0
    for (let round = 0; round < 30; round++) {
      for (let i = 0; i < 3; i++) all.push(catalog.apply(entry(++seq)))
      all.push(catalog.mend([]), catalog.mend([]), catalog.forgetSegment(9))
      for (let i = 0; i < round; i++) await Promise.resolve()
      all.push(catalog.apply(entry(++seq)), catalog.apply(entry(++seq)))
      await pause(round % 3)
      all.push(catalog.follow(entry(++seq)))
    }
    await Promise.all(all)
    const missing: number[] = []
    for (let i = 1; i <= seq; i++) if (catalog.inspect(entryKey(i)) === undefined) missing.push(i)
    assert.deepEqual(missing, [])
  },
)
