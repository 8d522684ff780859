import assert from 'node:assert/strict'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import * as fc from 'fast-check'
import type { StudyUid } from '#protocol/ids.ts'
import type { Archive } from './archive.ts'
import {
  dataSet,
  fetch,
  noise,
  openTestArchive,
  searchProof,
  sendSlice,
  studyProof,
  temporaryFolder,
} from './archive.fixture.ts'
import { describe, fill, manySlice } from './fill.fixture.ts'
import type { CopyProof, FindProof, RetentionPolicy } from './retention.ts'
import { createRandom, createSimulatedDisk } from './simulated-disk.fixture.ts'

const day = 24 * 3600 * 1000
const now = 1_800_000_000_000
const policy: RetentionPolicy = { keepDays: { default: 30 }, legalHold: [], proofDays: 7 }
const proven: FindProof = async ({ sop, sha256, bytes }) => ({
  kind: 'storage-commitment',
  sop,
  sha256,
  bytes,
  to: 'CENTRAL',
  verifiedAt: now + 39 * day,
})
const later = () => now + 40 * day
const segmentBytes = 8000

/** Fills an archive whose studies are complete, and opens it again forty days later. */
async function openLater(dir: string, options: Parameters<typeof openTestArchive>[1]) {
  {
    await using archive = await openTestArchive(dir, { segmentBytes, ...options, clock: () => now })
    await fill(archive)
    for (const study of ['1.0', '1.1', '1.2']) await archive.complete(study as StudyUid)
  }
  return await openTestArchive(dir, { segmentBytes, clock: later, ...options })
}

const stateOf = async (archive: Archive, i: number): Promise<string> => {
  const { study, sop } = manySlice(i)
  try {
    const bytes = await fetch(archive, study, sop)
    return bytes.equals(dataSet(manySlice(i))) ? 'here' : 'wrong'
  } catch (error) {
    return (error as { code: string }).code
  }
}

/** What is told of everything, but for how soon it can be had. */
const factsOf = async (archive: Archive): Promise<unknown> =>
  JSON.parse(
    JSON.stringify(await describe(archive), (tag, value: unknown) =>
      tag === '00080056' ? undefined : value,
    ),
  )

test('what is old and proven elsewhere leaves; its facts stay, and reading says where it is', async () => {
  await using folder = await temporaryFolder()
  const findProof: FindProof = async (wanted) =>
    wanted.sop.endsWith('.9.4') ? undefined : await proven(wanted)
  await using archive = await openLater(folder.path, { retention: { policy, findProof } })
  const expected = await factsOf(archive)
  const done = await archive.retain()
  assert.deepEqual([done.evicted, done.withoutCopy], [11, 1])
  assert.equal(await stateOf(archive, 4), 'here')
  await using reader = await archive.open(studyProof('1.0'))
  const [entry] = await reader.instances()
  assert.deepEqual(entry?.evicted, { to: 'CENTRAL', at: later() })
  await assert.rejects(fetch(archive, '1.0', entry?.sop ?? ''), /CENTRAL/)
  assert.deepEqual(await factsOf(archive), expected)
  assert.deepEqual(await archive.scrub(), { repaired: 0, damaged: 0, rows: 0 })
  // Brought back by whoever sends it again.
  const { sop } = manySlice(3)
  assert.equal((await sendSlice(archive, manySlice(3))).outcome, 'stored')
  assert.deepEqual(await fetch(archive, '1.0', sop), dataSet(manySlice(3)))
  assert.deepEqual(await factsOf(archive), expected)
})

test('a legal hold, an unfinished study, youth, and a policy without a word keep everything', async () => {
  const cases: [RetentionPolicy, number][] = [
    [{ ...policy, legalHold: ['1.0', '1.1', '1.2'] as StudyUid[] }, 0],
    [{ ...policy, keepDays: {} }, 0],
    [{ ...policy, keepDays: { default: 41 } }, 0],
    // Each study here has CT and MR: the longer one counts.
    [{ ...policy, keepDays: { CT: 1, MR: 100 } }, 0],
    [{ ...policy, keepDays: { default: 100 }, lowSpace: { freeFraction: 0.5, keepDays: 3 } }, 0],
    [{ ...policy, keepDays: { default: 100 }, lowSpace: { freeFraction: 1, keepDays: 3 } }, 12],
  ]
  for (const [one, evicted] of cases) {
    await using folder = await temporaryFolder()
    const disk = createSimulatedDisk()
    disk.faults = { freeBytes: () => 0.6e12 }
    const retention = { policy: one, findProof: proven }
    await using archive = await openLater(folder.path, { disk, retention })
    assert.equal((await archive.retain()).evicted, evicted)
  }
})

test('nothing leaves without a fresh proof for the very same bytes, whatever is claimed', async () => {
  const lie = fc.constantFrom<((p: CopyProof) => CopyProof | undefined)[]>(
    (p) => p,
    () => undefined,
    (p) => ({
      ...p,
      sha256: p.sha256.replace(/./, (c) => (c === '0' ? '1' : '0')) as CopyProof['sha256'],
    }),
    (p) => ({ ...p, sop: '1.2.3' as CopyProof['sop'] }),
    (p) => ({ ...p, bytes: p.bytes + 1 }),
    (p) => ({ ...p, verifiedAt: later() - 8 * day }),
    (p) => ({ ...p, verifiedAt: later() + 1 }),
    (p) => ({ ...p, to: '' }),
    () => Promise.reject(new Error('unreachable')) as never,
  )
  const run = async (lies: ((p: CopyProof) => CopyProof | undefined)[], hold: number) => {
    await using own = await temporaryFolder()
    const legalHold = [`1.${hold}` as StudyUid]
    const honest = new Set<string>()
    let at = 0
    const findProof: FindProof = async (wanted) => {
      const answer = lies[at++ % lies.length]
      const proof = await proven(wanted)
      const claimed = proof && answer?.(proof)
      if (claimed === proof) honest.add(wanted.sop)
      return claimed
    }
    const retention = { policy: { ...policy, legalHold }, findProof }
    await using archive = await openLater(own.path, { retention })
    await archive.retain()
    for (let i = 0; i < 12; i++) {
      const { sop } = manySlice(i)
      assert.equal(await stateOf(archive, i), honest.has(sop) ? 'instance_evicted' : 'here', sop)
    }
  }
  const lies = fc.array(lie, { minLength: 1, maxLength: 7 })
  await fc.assert(fc.asyncProperty(lies, fc.integer({ min: 0, max: 3 }), run), {
    numRuns: 8,
    seed: 3,
  })
})

test('the space of what left comes back, for the disk and for a catalog made anew', async () => {
  await using folder = await temporaryFolder()
  const findProof: FindProof = async (wanted) =>
    wanted.sop.endsWith('.9.4') ? undefined : await proven(wanted)
  const options = { retention: { policy, findProof }, deadFractionMin: 0.3 }
  const archive = await openLater(folder.path, options)
  const expected = await factsOf(archive)
  const before = (await readdir(join(folder.path, 'log'))).length
  const { compacted } = await archive.retain()
  assert.ok(compacted.segments >= 2, `${compacted.segments} of ${before} segments`)
  for (let i = 0; i < 3; i++) await archive.retain()
  assert.deepEqual(await factsOf(archive), expected)
  assert.equal(await stateOf(archive, 4), 'here')
  assert.deepEqual(await archive.scrub(), { repaired: 0, damaged: 0, rows: 0 })
  await archive[Symbol.asyncDispose]()
  for (const isRebuilt of [false, true]) {
    if (isRebuilt) await rm(join(folder.path, 'catalog'), { recursive: true })
    await using again = await openTestArchive(folder.path, { segmentBytes, clock: later })
    assert.deepEqual(await factsOf(again), expected)
    assert.equal(await stateOf(again, 4), 'here')
    assert.equal(await stateOf(again, 3), 'instance_evicted')
  }
})

test('a reader that began before a segment was emptied reads to the end', async () => {
  await using folder = await temporaryFolder()
  const findProof: FindProof = async (wanted) =>
    wanted.sop === '1.7.9.1' ? undefined : await proven(wanted)
  const options = { retention: { policy, findProof }, deadFractionMin: 0.01, segmentBytes: 700_000 }
  const large = manySlice(1, {
    study: '1.7',
    series: '1.7.1',
    sop: '1.7.9.1',
    pixels: Buffer.alloc(900_000, 7),
  })
  {
    await using archive = await openTestArchive(folder.path, { ...options, clock: () => now })
    await fill(archive)
    for (const study of ['1.0', '1.1', '1.2']) await archive.complete(study as StudyUid)
    await sendSlice(archive, large)
  }
  await using archive = await openTestArchive(folder.path, { ...options, clock: later })
  await using reader = await archive.open(studyProof('1.7'))
  const [entry] = await reader.instances()
  assert.ok(entry)
  const reading = reader.read(entry.sop)[Symbol.asyncIterator]()
  const first = await reading.next()
  const { compacted } = await archive.retain()
  assert.ok(compacted.segments > 0)
  const parts = [first.value as Uint8Array]
  for (let next = await reading.next(); next.done !== true; next = await reading.next()) {
    parts.push(next.value)
  }
  assert.ok(Buffer.concat(parts).equals(dataSet(large)))
})

test('a power cut at any point of an eviction and a compaction loses nothing', async () => {
  for (let seed = 1; seed <= 12; seed++) {
    const random = createRandom(seed)
    const disk = createSimulatedDisk()
    await using folder = await temporaryFolder()
    const findProof: FindProof = async (wanted) =>
      Number(wanted.sop.split('.').at(-1)) % 2 === 0 ? undefined : await proven(wanted)
    const retention = { policy, findProof }
    const archive = await openLater(folder.path, { disk, retention, deadFractionMin: 0.01 })
    const expected = await factsOf(archive)
    let left = Math.floor(random() * 30)
    let cut: ReturnType<typeof disk.powerCut> | undefined
    const keeps = () => [0, 1, random()][Math.floor(random() * 3)] ?? 0
    disk.faults = {
      sync() {
        if (left-- === 0) cut = disk.powerCut(keeps)
        return undefined
      },
    }
    await archive.retain()
    cut ??= disk.powerCut(keeps)
    await archive[Symbol.asyncDispose]()
    await rm(join(folder.path, 'catalog'), { recursive: true })
    await using again = await openTestArchive(folder.path, {
      disk: cut,
      segmentBytes,
      clock: later,
    })
    assert.deepEqual(await factsOf(again), expected, `seed ${seed}`)
    for (let i = 0; i < 12; i++) {
      const allowed = i % 2 === 0 ? ['here'] : ['here', 'instance_evicted']
      assert.ok(allowed.includes(await stateOf(again, i)), `seed ${seed}, ${i}`)
    }
    assert.ok(
      (await again.search(searchProof, { level: 'study', match: {}, limit: 9, offset: 0 })).matches
        .length === 3,
    )
  }
})

test('an instance that cannot leave keeps neither others nor dead space here', async () => {
  await using folder = await temporaryFolder()
  const { Level } = await import('level')
  {
    await using archive = await openTestArchive(folder.path, { segmentBytes, clock: () => now })
    await fill(archive)
    for (const study of ['1.0', '1.1', '1.2']) await archive.complete(study as StudyUid)
  }
  {
    await using level = new Level<string, Buffer>(join(folder.path, 'catalog'), {
      valueEncoding: 'buffer',
    })
    await level.open()
    await level.del(`c\0${manySlice(0).sop}`)
  }
  const retention = { policy, findProof: proven }
  await using archive = await openTestArchive(folder.path, {
    segmentBytes,
    clock: later,
    retention,
  })
  const done = await archive.retain()
  assert.equal(done.evicted, 11)
  assert.ok(done.compacted.segments > 0)
})

test('an archive that closes does not wait until everything has left that may', async () => {
  await using folder = await temporaryFolder()
  let asked = 0
  const findProof: FindProof = async (wanted) => {
    asked++
    await pause(20)
    return await proven(wanted)
  }
  const archive = await openLater(folder.path, { retention: { policy, findProof } })
  const retaining = archive.retain()
  await pause(30)
  await archive[Symbol.asyncDispose]()
  await retaining
  assert.ok(asked > 0 && asked < 6, `${asked} were asked for`)
  await using again = await openTestArchive(folder.path, { segmentBytes, clock: later })
  assert.equal((await again.counts()).instances, 12)
})

test(
  'a segment whose emptying was broken off is emptied the next time',
  { timeout: 10_000 },
  async () => {
    await using folder = await temporaryFolder()
    const disk = createSimulatedDisk()
    const options = { disk, deadFractionMin: 0, segmentBytes: 24_000_000 }
    await using archive = await openTestArchive(folder.path, options)
    // More than is emptied at once, so that it breaks off in the middle.
    for (let i = 0; i < 28; i++)
      await sendSlice(archive, manySlice(i, { pixels: noise(900_000, i) }))
    disk.faults = { write: () => 'ENOSPC' }
    assert.equal((await archive.retain()).compacted.segments, 0)
    disk.faults = {}
    assert.ok((await archive.retain()).compacted.segments > 0)
  },
)
