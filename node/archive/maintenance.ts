import type { OrganizationOid } from '#protocol/ids.ts'
import { scrubLimits, storageLimits } from '#protocol/limits.ts'
import type { Log } from '../log.ts'
import type { Archive, ArchiveEvent } from './archive.ts'
import type { Catalog } from './catalog.ts'
import { compact } from './compaction.ts'
import type { Compacted } from './compaction.ts'
import type { Disk } from './disk.ts'
import { createRepair } from './repair.ts'
import type { Repair } from './repair.ts'
import type { FindCopy } from './record-copy.ts'
import { retain } from './retention.ts'
import type { FindProof, Retained, RetentionPolicy } from './retention.ts'
import { createScrub } from './scrub.ts'
import type { ScrubOptions } from './scrub.ts'
import type { Sequence } from './sequence.ts'
import type { ValueLog } from './value-log.ts'

export type MaintenanceOptions = {
  /** Bytes that were lost here may be found there. */
  findCopy?: FindCopy
  scrub?: Partial<ScrubOptions>
  /** Absent: nothing ever leaves. */
  retention?: { policy: RetentionPolicy; findProof: FindProof }
  /** How often what may leave does, and dead space is given back; absent: only when it is asked for. */
  retainEveryMs?: number
  /** A segment of which this fraction is dead is emptied. */
  deadFractionMin?: number
}

type MaintenanceParts = MaintenanceOptions & {
  dir: string
  node: string
  holder: OrganizationOid
  valueLog: ValueLog
  catalog: Catalog
  sequence: Sequence
  clock: () => number
  log: Log
  emit: (event: ArchiveEvent) => void
  disk: Pick<Disk, 'freeSpace'>
}

/** What keeps an archive whole while it is used. */
export type Maintenance = AsyncDisposable & {
  readonly doors: Pick<Archive, 'integrity' | 'scrub' | 'retain'>
  readonly repair: Repair
  /** Bytes of instances that were taken in or read. */
  count(bytes: number): void
}

export async function createMaintenance(parts: MaintenanceParts): Promise<Maintenance> {
  const { emit, findCopy = async () => undefined } = parts
  const found = (finding: Parameters<Parameters<typeof createRepair>[0]['found']>[0]) =>
    emit({ ...finding, kind: 'integrity', finding: finding.kind })
  const repair = createRepair({ ...parts, findCopy, found })
  let traffic = 0
  const scrub = await createScrub({
    ...scrubLimits,
    isAutomatic: false,
    ...parts,
    ...parts.scrub,
    repair,
    found,
    traffic: () => traffic,
  })
  const retention = createSchedule(parts.retainEveryMs, {
    log: parts.log,
    retain: (signal) => retainAndCompact({ ...parts, findCopy, signal }),
  })
  return {
    repair,
    count: (bytes) => void (traffic += bytes),
    doors: {
      integrity: () => scrub.status(),
      scrub: () => scrub.run(),
      retain: retention.run,
    },
    async [Symbol.asyncDispose]() {
      // Both at once: a segment is removed when the scrub does not read it any more.
      await Promise.all([retention[Symbol.asyncDispose](), scrub[Symbol.asyncDispose]()])
    },
  }
}

type Retaining = Retained & { compacted: Compacted }

/** One at a time; whoever asks while one goes on gets its result. */
function createSchedule(
  everyMs: number | undefined,
  { retain: start, log }: { retain: (signal: AbortSignal) => Promise<Retaining>; log: Log },
) {
  const stop = new AbortController()
  let going: Promise<Retaining> | undefined
  const run = (): Promise<Retaining> =>
    (going ??= start(stop.signal).finally(() => (going = undefined)))
  const tick = (): void =>
    void run().then(
      ({ evicted, withoutCopy, compacted }) =>
        log.info({ evicted, withoutCopy, ...compacted }, 'what may leave the archive has left'),
      (error: unknown) => log.error({ err: error }, 'moving away was given up; it is tried again'),
    )
  const timer = everyMs === undefined ? undefined : setInterval(tick, everyMs).unref()
  return {
    run,
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      stop.abort()
      await going?.catch(() => {})
    },
  }
}

async function retainAndCompact(
  parts: MaintenanceParts & { findCopy: FindCopy; signal: AbortSignal },
): Promise<Retaining> {
  const { retention, disk, emit, deadFractionMin = storageLimits.deadFractionMin } = parts
  const freeFraction = async (): Promise<number> => {
    const { freeBytes, totalBytes } = await disk.freeSpace()
    return freeBytes / totalBytes
  }
  const retained =
    retention === undefined
      ? { evicted: 0, bytes: 0, withoutCopy: 0 }
      : await retain({
          ...parts,
          ...retention,
          copying: parts,
          freeFraction,
          moved: (study, left) => emit({ kind: 'moved', study, ...left }),
        })
  return { ...retained, compacted: await compact(parts, { deadFractionMin }) }
}
