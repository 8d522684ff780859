import type { OrganizationOid } from '#protocol/ids.ts'
import { scrubLimits } from '#protocol/limits.ts'
import type { Log } from '../log.ts'
import type { Archive, ArchiveEvent } from './archive.ts'
import type { Catalog } from './catalog.ts'
import { createRepair } from './repair.ts'
import type { FindCopy, Repair } from './repair.ts'
import { createScrub } from './scrub.ts'
import type { ScrubOptions } from './scrub.ts'
import type { Sequence } from './sequence.ts'
import type { ValueLog } from './value-log.ts'

export type MaintenanceOptions = {
  /** Bytes that were lost here may be found there. */
  findCopy?: FindCopy
  scrub?: Partial<ScrubOptions>
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
}

/** What keeps an archive whole while it is used. */
export type Maintenance = AsyncDisposable & {
  readonly doors: Pick<Archive, 'integrity' | 'scrub'>
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
  return {
    repair,
    count: (bytes) => void (traffic += bytes),
    doors: { integrity: () => scrub.status(), scrub: () => scrub.run() },
    [Symbol.asyncDispose]: () => scrub[Symbol.asyncDispose](),
  }
}
