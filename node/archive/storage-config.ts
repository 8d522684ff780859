import { z } from 'zod'
import { retentionLimits, scrubLimits, storageLimits } from '#protocol/limits.ts'
import { createFolderCopies } from './folder-copies.ts'
import type { MaintenanceOptions } from './maintenance.ts'

/** How an archive keeps what it has. */
export const StorageConfig = z.strictObject({
  /** C-STORE answers A700 while less than this is free. */
  freeFractionMin: z.number().min(0).max(1),
  freeBytesMin: z.number().min(0),
  /** Kept for what must be written when the disk is full (256 MiB); 0: nothing is. */
  ballastBytes: z.int().min(0).exactOptional(),
  /** Backups and stores by digest in which lost bytes are looked for. */
  repairFrom: z.array(z.string().min(1)).max(16).exactOptional(),
  /** Reading everything again: how fast, and in how many days at the latest. */
  scrubBytesPerSecond: z.number().min(1).exactOptional(),
  scrubDays: z.number().min(1).max(365).exactOptional(),
})
export type StorageConfig = z.infer<typeof StorageConfig>

const dayMs = 24 * 3600 * 1000

/** `copies`: more folders in which lost bytes are looked for. */
export function storageOptions(
  config: StorageConfig = storageLimits,
  copies: readonly string[] = [],
): MaintenanceOptions & {
  freeSpace: { freeFractionMin: number; freeBytesMin: number }
  ballastBytes: number
} {
  const { freeFractionMin, freeBytesMin, repairFrom = [], scrubDays } = config
  return {
    freeSpace: { freeFractionMin, freeBytesMin },
    ballastBytes: config.ballastBytes ?? storageLimits.ballastBytes,
    findCopy: createFolderCopies([...repairFrom, ...copies]),
    retainEveryMs: retentionLimits.everyMs,
    scrub: {
      bytesPerSecond: config.scrubBytesPerSecond ?? scrubLimits.bytesPerSecond,
      passMs: scrubDays === undefined ? scrubLimits.passMs : scrubDays * dayMs,
      isAutomatic: true,
    },
  }
}
