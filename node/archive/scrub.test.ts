import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { storageLimits } from '#protocol/limits.ts'
import type { ArchiveEvent } from './archive.ts'
import {
  dataSet,
  fetch,
  noise,
  openTestArchive,
  sendSlice,
  temporaryFolder,
} from './archive.fixture.ts'
import { entry, openFullCatalog } from './full-disk.fixture.ts'
import { describe, fill, manySlice, replicaOf } from './fill.fixture.ts'
import type { FindCopy } from './record-copy.ts'
import { createTaker } from './scrub-segment.ts'

const segmentBytes = 5000
const open = (dir: string, findCopy?: FindCopy) =>
  openTestArchive(dir, { segmentBytes, ...(findCopy && { findCopy }) })

async function expectWhole(dir: string, expected: unknown): Promise<void> {
  for (const isRebuilt of [false, true]) {
    if (isRebuilt) await rm(join(dir, 'catalog'), { recursive: true })
    await using archive = await open(dir)
    assert.deepEqual(await describe(archive), expected)
    for (let i = 0; i < 12; i++) {
      const { study, sop } = manySlice(i)
      assert.deepEqual(await fetch(archive, study, sop), dataSet(manySlice(i)))
    }
  }
}

/** Flips a bit so far behind where each of these is found in the log. */
async function flipBehind(dir: string, marks: readonly Buffer[], offset: number): Promise<void> {
  const log = join(dir, 'log')
  for (const name of await readdir(log)) {
    const bytes = await readFile(join(log, name))
    for (const mark of marks) {
      const at = bytes.indexOf(mark)
      if (at >= 0) bytes[at + offset] = (bytes[at + offset] ?? 0) ^ 1
    }
    await writeFile(join(log, name), bytes)
  }
}

test('a scrub of a healthy archive finds nothing and says when each segment was read', async () => {
  await using folder = await temporaryFolder()
  await using archive = await open(folder.path)
  await fill(archive)
  assert.deepEqual(await archive.scrub(), { repaired: 0, damaged: 0, rows: 0 })
  const { segments, finishedAt, bytesDone, bytesTotal } = await archive.integrity()
  assert.ok(segments.length > 2 && segments.every(({ verifiedAt }) => verifiedAt !== undefined))
  assert.ok(finishedAt !== undefined && bytesDone === bytesTotal)
})

test('rows that vanished, changed or do not belong are put right from the log', async () => {
  await using folder = await temporaryFolder()
  const archive = await open(folder.path)
  await fill(archive)
  const expected = await describe(archive)
  await archive[Symbol.asyncDispose]()
  const { Level } = await import('level')
  {
    await using level = new Level<string, Buffer>(join(folder.path, 'catalog'), {
      valueEncoding: 'buffer',
    })
    await level.open()
    const all = await level.keys().all()
    const one = (kind: string): string => all.find((key) => key.startsWith(`${kind}\0`)) ?? ''
    await level.del(one('o'))
    await level.del(one('xd'))
    await level.del(one('e'))
    const [from = '', to = ''] = all.filter((key) => key.startsWith('i\0'))
    await level.put(to, (await level.get(from)) ?? Buffer.alloc(0))
  }
  await using again = await open(folder.path)
  const { rows } = await again.scrub()
  assert.ok(rows >= 4, `${rows} rows`)
  assert.deepEqual(await describe(again), expected)
  assert.deepEqual(await again.scrub(), { repaired: 0, damaged: 0, rows: 0 })
})

test('a correction that the log has lost is written to it again from the catalog', async () => {
  await using folder = await temporaryFolder()
  const archive = await open(folder.path)
  await fill(archive)
  const expected = await describe(archive)
  await archive[Symbol.asyncDispose]()
  await flipBehind(folder.path, [Buffer.from('"исправлено"')], 3)
  {
    await using again = await open(folder.path)
    const { repaired, damaged } = await again.scrub()
    assert.deepEqual([repaired, damaged], [1, 0])
    assert.deepEqual(await again.scrub(), { repaired: 0, damaged: 0, rows: 0 })
  }
  await expectWhole(folder.path, expected)
})

test('altered bytes are repaired from a copy, on reading and by the scrub', async () => {
  await using folder = await temporaryFolder()
  const archive = await open(folder.path)
  await fill(archive)
  const expected = await describe(archive)
  await archive[Symbol.asyncDispose]()
  const all = Array.from({ length: 12 }, (_, i) => dataSet(manySlice(i)))
  await flipBehind(folder.path, all, 200)
  {
    await using again = await open(folder.path, replicaOf())
    const events: ArchiveEvent[] = []
    again.on((event) => events.push(event))
    const { study, sop } = manySlice(3)
    assert.deepEqual(await fetch(again, study, sop), dataSet(manySlice(3)))
    assert.deepEqual(events, [{ kind: 'integrity', finding: 'repaired', study, sop, segment: 1 }])
    assert.deepEqual(await again.scrub(), { repaired: 11, damaged: 0, rows: 0 })
  }
  await expectWhole(folder.path, expected)
})

test('without a copy a damaged instance is refused and told, and the same bytes sent again heal it', async () => {
  await using folder = await temporaryFolder()
  const archive = await open(folder.path)
  await sendSlice(archive, manySlice(1))
  await archive[Symbol.asyncDispose]()
  const file = join(folder.path, 'log', '00000001.seg')
  const bytes = await readFile(file)
  const at = bytes.indexOf(dataSet(manySlice(1)))
  bytes[at + 100] = (bytes[at + 100] ?? 0) ^ 8
  await writeFile(file, bytes)
  await using again = await open(folder.path)
  assert.deepEqual(await again.scrub(), { repaired: 0, damaged: 1, rows: 0 })
  await assert.rejects(fetch(again, '1.1', '1.1.9.1'), { code: 'storage_corrupt' })
  assert.equal((await sendSlice(again, manySlice(1))).outcome, 'stored')
  assert.deepEqual(await fetch(again, '1.1', '1.1.9.1'), dataSet(manySlice(1)))
  assert.deepEqual(await again.scrub(), { repaired: 0, damaged: 0, rows: 0 })
})

test('a segment that is cut or gone is made good from copies', async () => {
  for (const isGone of [false, true]) {
    await using folder = await temporaryFolder()
    const archive = await open(folder.path)
    await fill(archive)
    const expected = await describe(archive)
    await archive[Symbol.asyncDispose]()
    const file = join(folder.path, 'log', '00000002.seg')
    if (isGone) await rm(file)
    else await truncate(file, 2000)
    await using again = await open(folder.path, replicaOf())
    const { study, sop } = manySlice(20)
    await sendSlice(again, manySlice(20))
    const { repaired, damaged } = await again.scrub()
    assert.ok(repaired > 0 && damaged === 0, `${repaired} repaired, ${damaged} damaged`)
    for (let i = 0; i < 12; i++) {
      const one = manySlice(i)
      assert.deepEqual(await fetch(again, one.study, one.sop), dataSet(one))
    }
    assert.deepEqual(await fetch(again, study, sop), dataSet(manySlice(20)))
    assert.notDeepEqual(await describe(again), expected)
  }
})

test('a scrub that was broken off goes on where it was', async () => {
  await using folder = await temporaryFolder()
  {
    await using archive = await open(folder.path)
    await fill(archive)
  }
  {
    await using archive = await openTestArchive(folder.path, {
      segmentBytes,
      scrub: { isAutomatic: true, bytesPerSecond: 20_000 },
    })
    while ((await archive.integrity()).bytesDone === 0) await new Promise((r) => setTimeout(r, 20))
  }
  await using archive = await open(folder.path)
  const before = await archive.integrity()
  assert.ok(before.finishedAt === undefined && before.bytesDone > 0)
  assert.ok(before.bytesDone < before.bytesTotal)
  assert.deepEqual(await archive.scrub(), { repaired: 0, damaged: 0, rows: 0 })
  assert.equal((await archive.integrity()).startedAt, before.startedAt)
})

test('writing goes on while the scrub reads, and neither disturbs the other', async () => {
  await using folder = await temporaryFolder()
  await using archive = await open(folder.path)
  await fill(archive)
  const sending = (async () => {
    for (let i = 200; i < 260; i++)
      await sendSlice(archive, manySlice(i, { pixels: noise(900, i) }))
  })()
  for (let i = 0; i < 3; i++) {
    assert.deepEqual(await archive.scrub(), { repaired: 0, damaged: 0, rows: 0 })
  }
  await sending
  assert.deepEqual(await archive.scrub(), { repaired: 0, damaged: 0, rows: 0 })
})

test('what a clock that ran ahead said was read is read again when it is right', async () => {
  await using folder = await temporaryFolder()
  let now = 1_900_000_000_000
  await using archive = await openTestArchive(folder.path, {
    segmentBytes,
    clock: () => now,
    findCopy: replicaOf(),
  })
  await fill(archive)
  assert.equal((await archive.scrub()).damaged, 0)
  now = 1_800_000_000_000
  await flipBehind(folder.path, [dataSet(manySlice(3))], 200)
  const { repaired } = await archive.scrub()
  assert.ok(repaired > 0)
  const { bytesDone, bytesTotal, segments } = await archive.integrity()
  assert.equal(bytesDone, bytesTotal)
  assert.ok(segments.every(({ verifiedAt }) => (verifiedAt ?? Infinity) <= now))
})

test('a scrub whose second catalog was damaged begins again', async () => {
  await using folder = await temporaryFolder()
  {
    await using archive = await open(folder.path)
    await fill(archive)
    await archive.scrub()
  }
  // As a pass leaves it when the power goes.
  const file = join(folder.path, 'scrub.json')
  const { finishedAt: _, ...state } = JSON.parse(await readFile(file, 'utf8')) as {
    finishedAt: number
  }
  await writeFile(file, JSON.stringify(state))
  await mkdir(join(folder.path, 'scrub'))
  await writeFile(join(folder.path, 'scrub', 'CURRENT'), 'MANIFEST-000004\n')
  await using again = await open(folder.path)
  assert.deepEqual(await again.scrub(), { repaired: 0, damaged: 0, rows: 0 })
})

test('a scrub stops when the disk takes no more of its second catalog', async (t) => {
  await using shadow = await openFullCatalog({ written: 256, held: 0 })
  if (shadow === undefined) return t.skip('this process may not mount a file system')
  const unread = { check: () => assert.fail(), read: () => assert.fail() }
  const { catalog } = shadow
  const taker = createTaker({ valueLog: unread, catalog, shadow: catalog })
  const takeMany = async () => {
    for (let i = 1; i <= 2 * storageLimits.catalogBatchMax; i++) {
      const { location, span } = entry(shadow.count + i)
      const sha256 = Buffer.alloc(32)
      const header = { seq: shadow.count + i }
      await taker.take({ type: 'index-entry', header, location, span, sha256, payload: sha256 })
    }
  }
  await assert.rejects(takeMany(), { code: 'storage_full' })
})
