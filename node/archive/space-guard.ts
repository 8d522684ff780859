import { ProtocolError } from '#protocol/errors.ts'
import { storageLimits } from '#protocol/limits.ts'
import type { Log } from '../log.ts'
import type { Disk } from './disk.ts'

/** Keeps a part of the disk free: the catalog, and whoever repairs, must find room. */
export type SpaceGuard = {
  /** Throws `storage_full` while less is free than must be. */
  check(): Promise<void>
  /** Bytes that are about to be written. */
  count(bytes: number): void
  /** The disk itself said so: ask again before the next write. */
  markFull(): void
}

type SpaceOptions = {
  disk: Pick<Disk, 'freeSpace'>
  log: Log
  clock: () => number
  freeSpace: { freeFractionMin: number; freeBytesMin: number }
}

/** Measures at most once a second, and again after many bytes; while the disk is full, every time. */
export function createSpaceGuard({ disk, log, clock, freeSpace }: SpaceOptions): SpaceGuard {
  let measuredAt: number | undefined
  let written = 0
  let isFull = false

  async function measure(): Promise<void> {
    measuredAt = clock()
    written = 0
    const { freeBytes, totalBytes } = await disk.freeSpace()
    const floor = Math.max(freeSpace.freeFractionMin * totalBytes, freeSpace.freeBytesMin)
    const wasFull = isFull
    isFull = freeBytes < floor
    if (isFull && !wasFull) log.error({ freeBytes, floor }, 'the archive takes nothing: disk full')
    if (!isFull && wasFull) log.warn({ freeBytes, floor }, 'the archive takes instances again')
  }

  return {
    async check() {
      const age = measuredAt === undefined ? Infinity : Math.abs(clock() - measuredAt)
      const isStale = age > storageLimits.spaceAgeMs || written > storageLimits.spaceAgeBytes
      if (isFull || isStale) await measure()
      if (isFull) throw new ProtocolError('storage_full', 'too little free space for the archive')
    },
    count(bytes) {
      written += bytes
    },
    markFull() {
      isFull = true
    },
  }
}
