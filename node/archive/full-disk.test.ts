import assert from 'node:assert/strict'
import { test } from 'node:test'
import { open, readFile, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { codeOf } from '#protocol/errors.ts'
import type { StudyUid } from '#protocol/ids.ts'
import {
  correctionProof,
  dataSet,
  fetch,
  noise,
  openTestArchive,
  sendSlice,
  temporaryFolder,
} from './archive.fixture.ts'
import { openBallast } from './ballast.ts'
import { openDisk } from './disk.ts'
import { silentLog } from '../log.ts'
import { manySlice } from './fill.fixture.ts'
import { fillRepeatedly, fillUp, mountSmall } from './full-disk.fixture.ts'
import { createSimulatedDisk } from './simulated-disk.fixture.ts'

test('a file system that is really full costs nothing, and intake comes back by itself', async (t) => {
  const figures = await fillRepeatedly(3, 2)
  if (figures === undefined) return t.skip('this process may not mount a file system')
  t.diagnostic(JSON.stringify(figures))
  assert.ok(figures.refused > 0 && figures.acknowledged > 30)
  assert.equal(figures.lost, 0)
  assert.equal(figures.unreadWhileFull, 0)
})

const ballastBytes = 4 * 1024 * 1024

test('the ballast leaves room to hide a study on a full disk, not to take one, and comes back', async (t) => {
  await using disk = await mountSmall(24)
  if (disk === undefined) return t.skip('this process may not mount a file system')
  const folder = join(disk.path, 'archive')
  const ballast = join(folder, 'ballast')
  const sizeOfBallast = () =>
    stat(ballast).then(
      ({ size }) => size,
      () => 0,
    )
  const slice = (i: number) => manySlice(i, { pixels: noise(100_000, i) })
  const freeSpace = { freeFractionMin: 0, freeBytesMin: 1024 * 1024 }
  await using archive = await openTestArchive(folder, {
    freeSpace,
    ballastBytes,
    clock: Date.now,
  })
  await eventually(async () => (await sizeOfBallast()) === ballastBytes)
  for (let i = 0; i < 3; i++) await sendSlice(archive, slice(i))
  const rubbish = join(disk.path, 'rubbish')
  await fillUp(rubbish, 0)
  await eventually(async () => (await sizeOfBallast()) === 0)
  const isFull = () =>
    sendSlice(archive, slice(3)).then(
      () => false,
      (error: unknown) => codeOf(error) === 'storage_full',
    )
  await eventually(isFull)
  const { study } = slice(0)
  await eventually(async () => {
    await archive.overlay(correctionProof('rejection'), {
      kind: 'reject',
      target: { level: 'study', study: study as StudyUid },
      code: '113001',
    })
    return true
  })
  assert.equal(await archive.facts(study as StudyUid), undefined)
  const kept = slice(1)
  assert.deepEqual(await fetch(archive, kept.study, kept.sop), dataSet(kept))
  assert.ok(await isFull())
  await truncate(rubbish, 0)
  await eventually(async () => (await sizeOfBallast()) === ballastBytes)
  await sendSlice(archive, slice(3))
})

test('a ballast for which there is no room after all, as under a quota, gives back what it took', async (t) => {
  await using place = await mountSmall(8)
  if (place === undefined) return t.skip('this process may not mount a file system')
  const disk = await openDisk(join(place.path, 'log'))
  const seemsEmpty = { ...disk, freeSpace: async () => ({ freeBytes: 1e12, totalBytes: 1e12 }) }
  const warned: unknown[] = []
  const log = { ...silentLog, warn: (said: unknown) => void warned.push(said), error: () => {} }
  const options = { folder: place.path, disk: seemsEmpty, bytes: 16 * 1024 * 1024, log }
  await using ballast = await openBallast(options)
  await eventually(async () => warned.length > 0)
  const { freeBytes } = await disk.freeSpace()
  assert.ok(freeBytes > 6 * 1024 * 1024, 'what is kept free for others is not taken from them')
  for (let n = 0; n < 3; n++) {
    await ballast.makeRoom()
    await pause(50)
  }
  assert.equal(warned.length, 1, 'it is tried again later')
})

test('nothing is copied to give space back while the catalog takes no writes', async (t) => {
  await using place = await mountSmall(8)
  if (place === undefined) return t.skip('this process may not mount a file system')
  const disk = createSimulatedDisk()
  const options = { disk, segmentBytes: 8000, deadFractionMin: 0 }
  await using archive = await openTestArchive(join(place.path, 'archive'), options)
  const send = (i: number) => sendSlice(archive, manySlice(i))
  for (let i = 0; i < 12; i++) await send(i)
  const rubbish = join(place.path, 'rubbish')
  await fillUp(rubbish, 0)
  let next = 12
  await eventually(() =>
    send(next++).then(
      () => false,
      (error: unknown) => codeOf(error) === 'storage_full',
    ),
  )
  const sizeOfLog = async () =>
    (await Promise.all((await disk.list()).map(disk.size))).reduce((sum, size) => sum + size, 0)
  const before = await sizeOfLog()
  assert.equal((await archive.retain()).compacted.segments, 0)
  assert.equal(await sizeOfLog(), before)
  await truncate(rubbish, 0)
  await eventually(async () => (await archive.retain()).compacted.segments > 0)
  assert.deepEqual(
    await fetch(archive, manySlice(5).study, manySlice(5).sop),
    dataSet(manySlice(5)),
  )
})

/** Also until it does not fail any more. */
async function eventually(condition: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + 60_000
  for (;;) {
    const isSo = await condition().catch((error: unknown) => {
      if (performance.now() > end) throw error
      return false
    })
    if (isSo) return
    assert.ok(performance.now() < end, 'it never came to be so')
    await pause(50)
  }
}

test('an archive opens on a disk that filled up while it was closed', async (t) => {
  await using disk = await mountSmall(24)
  if (disk === undefined) return t.skip('this process may not mount a file system')
  const folder = join(disk.path, 'archive')
  const slice = manySlice(0, { pixels: noise(100_000, 0) })
  {
    await using archive = await openTestArchive(folder, { ballastBytes })
    await sendSlice(archive, slice)
    const ballast = () =>
      stat(join(folder, 'ballast')).then(
        ({ size }) => size,
        () => 0,
      )
    await eventually(async () => (await ballast()) === ballastBytes)
  }
  await fillUp(join(disk.path, 'rubbish'), 0)
  await using archive = await openTestArchive(folder, { ballastBytes })
  assert.deepEqual(await fetch(archive, slice.study, slice.sop), dataSet(slice))
})

test('a catalog that finds no room to open is kept until it does', async (t) => {
  await using place = await mountSmall(16)
  if (place === undefined) return t.skip('this process may not mount a file system')
  const folder = join(place.path, 'archive')
  const disk = createSimulatedDisk()
  {
    await using archive = await openTestArchive(folder, { disk })
    for (let i = 0; i < 300; i++) await sendSlice(archive, manySlice(i))
  }
  const rubbish = join(place.path, 'rubbish')
  // Enough for the lock, not for what LevelDB makes of its log.
  await fillUp(rubbish, 64_000)
  await assert.rejects(openTestArchive(folder, { disk }), { code: 'storage_full' })
  await truncate(rubbish, 0)
  const told: unknown[] = []
  const log = { ...silentLog, error: (...said: unknown[]) => void told.push(said) }
  await using archive = await openTestArchive(folder, { disk, log })
  assert.equal((await archive.counts()).instances, 300)
  assert.deepEqual(told, [])
})

test('an instance whose bytes were altered is said to be one also when that cannot be written down', async (t) => {
  await using disk = await mountSmall(24)
  if (disk === undefined) return t.skip('this process may not mount a file system')
  const folder = join(disk.path, 'archive')
  await using archive = await openTestArchive(folder)
  const slices = Array.from({ length: 60 }, (_, i) => manySlice(i, { pixels: noise(20_000, i) }))
  for (const slice of slices) await sendSlice(archive, slice)
  assert.equal((await archive.counts()).instances, 60)
  await fillUp(join(disk.path, 'rubbish'), 0)
  const segment = join(folder, 'log', '00000001.seg')
  const bytes = await readFile(segment)
  for (const slice of slices) {
    const at = bytes.indexOf(noise(20_000, slices.indexOf(slice)).subarray(0, 64))
    await flip(segment, at + 100)
    await assert.rejects(fetch(archive, slice.study, slice.sop), { code: 'storage_corrupt' })
  }
})

/** Where it lies: no room is needed for it. */
async function flip(file: string, at: number): Promise<void> {
  const handle = await open(file, 'r+')
  const byte = Buffer.alloc(1)
  await handle.read(byte, 0, 1, at)
  byte[0] = (byte[0] ?? 0) ^ 1
  await handle.write(byte, 0, 1, at)
  await handle.close()
}

test('an archive opens although its lock was damaged, but not twice', async () => {
  await using folder = await temporaryFolder()
  await (await openTestArchive(folder.path))[Symbol.asyncDispose]()
  await writeFile(join(folder.path, 'lock', 'CURRENT'), '')
  await using archive = await openTestArchive(folder.path)
  await assert.rejects(openTestArchive(folder.path), { code: 'configuration_invalid' })
  assert.equal((await archive.counts()).instances, 0)
})
