import assert from 'node:assert/strict'
import { stat, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { StudyUid } from '#protocol/ids.ts'
import { storageLimits } from '#protocol/limits.ts'
import { silentLog } from '../log.ts'
import { temporaryFolder } from './archive.fixture.ts'
import { readBatchNumbers } from './batch-numbers.ts'
import { createRowBuilder } from './catalog-apply.ts'
import { entryKey } from './catalog-keys.ts'
import type { Change } from './catalog-rows.ts'
import { openCatalogStore } from './catalog-store.ts'
import { createCatalogWriter } from './catalog-writer.ts'
import { openCatalog } from './catalog.ts'
import { entry, fillUp, mountSmall, openFullCatalog } from './full-disk.fixture.ts'
import { createHoldingStore } from './held-rows.ts'
import { readPositions } from './log-positions.ts'

/** Of a study, whose row must be read for it. */
const completion = (seq: number): Change => ({
  kind: 'complete',
  completion: { kind: 'complete', seq, study: '1.2' as StudyUid, at: seq },
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

test('a disk with room for a little, but not to open the catalog again, leaves it readable', async (t) => {
  await using full = await openFullCatalog({ written: 10_000, held: 0 })
  if (full === undefined) return t.skip('this process may not mount a file system')
  const { catalog, rubbish, isBehind, count } = full
  const { size } = await stat(rubbish)
  await truncate(rubbish, size - storageLimits.catalogProbeBytes - 100_000)
  for (let i = 0; i < 5; i++) {
    await pause(storageLimits.catalogRetryMs / 2)
    for (const one of [1, count]) assert.ok(catalog.read(entryKey(one)) !== undefined)
  }
  await truncate(rubbish, 0)
  for (let i = 0; i < 100 && (await isBehind()); i++) await pause(50)
  assert.ok(!(await isBehind()))
  for (const one of [1, count]) assert.ok(catalog.inspect(entryKey(one)) !== undefined)
})

test('reading does not break off again and again while there is no room for what is held', async (t) => {
  await using full = await openFullCatalog({ written: 500, held: 6000 })
  if (full === undefined) return t.skip('this process may not mount a file system')
  const { catalog, rubbish, isBehind, count } = full
  const { size } = await stat(rubbish)
  await truncate(rubbish, size - 1_000_000)
  const end = performance.now() + 2.5 * storageLimits.catalogRetryMs
  while (performance.now() < end) {
    let seen = 0
    for await (const { location } of catalog.entries()) seen += location.bytes / 10
    assert.equal(seen, count)
  }
  assert.ok(await isBehind())
})

test('a segment that could not be forgotten is known as before', async (t) => {
  await using disk = await mountSmall(8)
  if (disk === undefined) return t.skip('this process may not mount a file system')
  await using catalog = await openCatalog(join(disk.path, 'c'), { log: silentLog, node: 'n' })
  await catalog.apply(entry(1))
  await fillUp(join(disk.path, 'rubbish'), 0)
  const forgetMany = async () => {
    for (let i = 0; i < 1000; i++) await catalog.forgetSegment(9)
  }
  await assert.rejects(forgetMany())
  await assert.rejects(catalog.forgetSegment(1))
  assert.equal(catalog.positions().get(1)?.offset, 100)
})

test('nobody waits for a catalog that cannot be opened, also who comes while it is tried', async () => {
  await using folder = await temporaryFolder()
  await using opened = await openCatalogStore(join(folder.path, 'c'), assert.fail)
  let isFull = true
  const tries: PromiseWithResolvers<void>[] = []
  const store = createHoldingStore({
    ...opened,
    write: (rows) => (isFull ? Promise.reject(new Error('full')) : opened.write(rows)),
    probe: async () => {},
    async reopen() {
      if (!isFull) return await opened.reopen()
      await opened[Symbol.asyncDispose]()
      const one = Promise.withResolvers<void>()
      tries.push(one)
      await one.promise
      throw new Error('full')
    },
  })
  const builder = createRowBuilder(store, 'n')
  const positions = await readPositions(store)
  const numbers = await readBatchNumbers(store)
  await using writer = createCatalogWriter({ store, builder, positions, numbers, log: silentLog })
  await writer.apply(entry(1))
  // The second time it is known already that no rows can be made of what comes.
  for (const seq of [2, 3]) {
    while (tries.length < seq - 1) await pause(20)
    const applied = writer.apply(completion(seq))
    isFull = seq < 3
    tries.at(-1)?.resolve()
    assert.equal(await Promise.race([applied, pause(500, 'waits')]), undefined)
  }
  for (let i = 0; i < 100 && store.isHolding(); i++) await pause(50)
  await writer.written()
  await writer.check()
  assert.equal(positions.all().get(1)?.offset, 300)
})
