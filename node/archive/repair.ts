import { codeOf } from '#protocol/errors.ts'
import type { SopUid, StudyUid } from '#protocol/ids.ts'
import type { Log } from '../log.ts'
import type { EntryRow, QuarantineRow } from './catalog-rows.ts'
import type { Catalog } from './catalog.ts'
import { entryRecord, overlayRecord } from './filing.ts'
import type { Overlay } from './overlay.ts'
import { readPayload } from './payload.ts'
import {
  checkDigest,
  copyInstance,
  gather,
  knownInstance,
  knownQuarantined,
  placeOf,
} from './record-copy.ts'
import type { CopyParts, Known } from './record-copy.ts'

export type Finding =
  | { kind: 'damaged' | 'repaired'; study?: StudyUid; sop?: SopUid; segment: number }
  | { kind: 'catalog-repaired'; rows: number }

/** Gives altered records their bytes back, as new records that take the place of the old ones. */
export type Repair = {
  /** Resolves with whether the instance is whole now; marks it when it is not. At most one attempt at a time. */
  instance(sop: string): Promise<boolean>
  quarantined(row: QuarantineRow): Promise<boolean>
  entry(seq: number, row: EntryRow): Promise<boolean>
  /** From the catalog, which has all of it. */
  overlay(overlay: Overlay): Promise<boolean>
}

export type RepairParts = Omit<CopyParts, 'catalog'> & {
  catalog: Catalog
  clock: () => number
  log: Log
  found: (finding: Finding) => void
}

/** On a full disk it is not written down: then it is found again by whoever reads it next. */
async function mark({ catalog, clock, log }: RepairParts, sop: string): Promise<void> {
  try {
    await catalog.markCorrupt(sop, { at: clock() })
  } catch (error) {
    log.error({ err: error }, 'what is damaged cannot be written down')
  }
}

export function createRepair(parts: RepairParts): Repair {
  const { catalog, log, found } = parts
  const running = new Map<string, Promise<boolean>>()

  async function attempt(known: Known): Promise<boolean> {
    const { study, sop } = known.entry
    const { segment, offset } = known.location
    try {
      await copyInstance(parts, known)
      log.warn({ segment, offset }, 'an instance was repaired')
      found({ kind: 'repaired', study, sop, segment })
      return true
    } catch (error) {
      log.error({ segment, offset, code: codeOf(error) }, 'an instance is damaged')
      if (known.reason === undefined) await mark(parts, sop)
      found({ kind: 'damaged', study, sop, segment })
      return false
    }
  }

  return {
    instance(sop) {
      const earlier = running.get(sop)
      if (earlier !== undefined) return earlier
      const known = knownInstance(catalog, sop)
      if (known === undefined) return Promise.resolve(false)
      const task = attempt(known).finally(() => running.delete(sop))
      running.set(sop, task)
      return task
    },
    async quarantined(row) {
      const known = knownQuarantined(catalog, row)
      return known !== undefined && (await attempt(known))
    },
    async entry(seq, { location, sha256 }) {
      const { segment } = location
      try {
        const wanted = { sha256, bytes: location.bytes, location }
        // Often its own bytes are whole, and it is what stands around them that was altered.
        const own = readPayload(parts.valueLog, location, sha256)
        const entry = entryRecord(seq, await own.catch(() => gather(parts, wanted)))
        checkDigest(entry, wanted)
        const appended = await parts.valueLog.append([entry])
        await catalog.apply({ kind: 'entry', seq, ...placeOf(appended), sha256 })
        log.warn({ segment }, 'an index entry was repaired')
        found({ kind: 'repaired', segment })
        return true
      } catch (error) {
        log.error({ segment, code: codeOf(error) }, 'an index entry is damaged')
        found({ kind: 'damaged', segment })
        return false
      }
    },
    async overlay(overlay) {
      const { seq } = overlay
      try {
        const { location, span } = placeOf(await parts.valueLog.append([overlayRecord(overlay)]))
        await catalog.apply({ kind: 'overlay', overlay, span })
        log.warn({ seq }, 'a correction was repaired')
        found({ kind: 'repaired', segment: location.segment })
        return true
      } catch (error) {
        log.error({ seq, code: codeOf(error) }, 'a correction is in the catalog alone')
        return false
      }
    },
  }
}
