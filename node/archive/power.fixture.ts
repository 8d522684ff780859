import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { fetch, noise, openTestArchive, sendSlice, temporaryFolder } from './archive.fixture.ts'
import { digestOfDataSet } from './chunk-digests.ts'
import { manySlice } from './fill.fixture.ts'
import { createRandom, createSimulatedDisk } from './simulated-disk.fixture.ts'
import type { Fault } from './simulated-disk.fixture.ts'

/** The same in every run: made once. Every fifth is long enough to be streamed. */
const slices = Array.from({ length: 16 }, (_, i) =>
  manySlice(i, { pixels: noise(i % 5 === 0 ? 4_300_000 : 200 + i * 37, i) }),
)

/** Stores with a power cut somewhere; returns what was acknowledged and not found again. */
export async function lostByPowerCut(seed: number, ignoreSyncs: boolean): Promise<string[]> {
  const random = createRandom(seed)
  const disk = createSimulatedDisk()
  disk.ignoreSyncs = ignoreSyncs
  await using folder = await temporaryFolder()
  const archive = await openTestArchive(folder.path, { disk, segmentBytes: 20_000 })
  const acknowledged: { study: string; sop: string; sha256: string }[] = []
  const stopAfter = 1 + Math.floor(random() * 12)
  const { promise: enough, resolve } = Promise.withResolvers<void>()
  const sending = slices.map(async (slice) => {
    const { study, sop, sha256 } = await sendSlice(archive, slice)
    if (acknowledged.length < stopAfter) acknowledged.push({ study, sop, sha256 })
    if (acknowledged.length === stopAfter) resolve()
  })
  await enough
  // The cut comes here: whatever happens to the first disk afterwards, the second does not see it.
  const left = disk.powerCut(() => [0, 1, random()][Math.floor(random() * 3)] ?? 0)
  await Promise.all(sending)
  await archive[Symbol.asyncDispose]()
  await rm(join(folder.path, 'catalog'), { recursive: true })
  await using again = await openTestArchive(folder.path, { disk: left, segmentBytes: 20_000 })
  const lost: string[] = []
  for (const { study, sop, sha256 } of acknowledged) {
    const read = await fetch(again, study, sop).catch(() => Buffer.alloc(0))
    if (digestOfDataSet(read).toString('hex') !== sha256) lost.push(sop)
  }
  return lost
}

export type FaultFigures = {
  runs: number
  /** Sends that were acknowledged, refused because there was no room, and refused because the disk failed. */
  acknowledged: number
  full: number
  failed: number
  /** Acknowledged and not there with their bytes afterwards. */
  lost: number
  /** An archive whose sync failed and that acknowledged something later. */
  lies: number
}

/** Makes calls of the disk fail, fall short or be interrupted at random; then opens what is left. */
export async function injectFaults(runs: number, seed: number): Promise<FaultFigures> {
  const random = createRandom(seed)
  const figures = { runs, acknowledged: 0, full: 0, failed: 0, lost: 0, lies: 0 }
  for (let run = 0; run < runs; run++) {
    const disk = createSimulatedDisk()
    await using folder = await temporaryFolder()
    const options = { disk, segmentBytes: 20_000 }
    const archive = await openTestArchive(folder.path, options)
    let until = 1 + Math.floor(random() * 12)
    const fault = (['EIO', 'ENOSPC', 'EINTR', 'short'] as const)[Math.floor(random() * 4)] ?? 'EIO'
    const isInSync = random() < 0.4
    let hasFailed = false
    const strike = (): boolean => until-- === 0
    disk.faults = {
      write(bytes) {
        if (isInSync || !strike()) return undefined
        hasFailed ||= fault === 'EIO'
        return fault === 'short' ? Math.floor(bytes / 2) : fault
      },
      sync() {
        if (!isInSync || !strike()) return undefined
        hasFailed = true
        return 'EIO' satisfies Fault
      },
    }
    const acknowledged: { study: string; sop: string; sha256: string }[] = []
    for (const slice of slices.slice(1, 11)) {
      const wasFailed = hasFailed
      try {
        acknowledged.push(await sendSlice(archive, slice))
        if (wasFailed) figures.lies++
      } catch (error) {
        const { code } = error as { code: string }
        if (code === 'storage_full') figures.full++
        else figures.failed++
      }
      await turn()
    }
    figures.acknowledged += acknowledged.length
    await Promise.resolve(archive[Symbol.asyncDispose]()).catch(() => {})
    // What was not synced is gone with the process that stopped.
    const left = disk.powerCut(() => [0, 1, random()][Math.floor(random() * 3)] ?? 0)
    await rm(join(folder.path, 'catalog'), { recursive: true })
    await using again = await openTestArchive(folder.path, { ...options, disk: left })
    for (const { study, sop, sha256 } of acknowledged) {
      const read = await fetch(again, study, sop).catch(() => Buffer.alloc(0))
      if (digestOfDataSet(read).toString('hex') !== sha256) figures.lost++
    }
  }
  return figures
}
