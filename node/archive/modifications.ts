import type { OrganizationOid } from '#protocol/ids.ts'
import type { DicomJson } from '../dicom/dicom-json.ts'
import type { Modification } from '../dicom/rewrite.ts'
import { textOf } from './attribute-levels.ts'
import type { InstanceRow } from './catalog-rows.ts'
import type { Catalog } from './catalog.ts'
import { changesOf, overlayAt, patientId } from './overlay-view.ts'
import { isSurrogateId } from './patient-id.ts'

/**
 * What a corrected instance says otherwise than its bytes: mistakes that were corrected, and a patient's attributes
 * that were brought in line with those of the patient it belongs to. An identifier that the node made up for its own
 * lists is not written into anything.
 */
export function modificationsOf(
  catalog: Pick<Catalog, 'study' | 'series' | 'read'>,
  row: InstanceRow,
  holder: OrganizationOid,
): Modification[] {
  const study = catalog.study(row.study)
  const changes = Object.entries(
    changesOf(row, study, catalog.series(row.study, row.series)),
  ).filter(([tag, element]) => tag !== patientId || !isSurrogateId(textOf({ [tag]: element }, tag)))
  const isReconciled = study?.also !== undefined || row.adopted === true
  const isCoerced = (tag: string): boolean => isReconciled && tag.startsWith('0010')
  const common = {
    at: overlayAt(catalog, study?.overlaySeq ?? 0)?.at ?? row.receivedAt,
    system: systemOf(holder),
    source: '',
  }
  const parts: Modification[] = [
    { ...common, reason: 'CORRECT', set: pick(changes, (tag) => !isCoerced(tag)) },
    { ...common, reason: 'COERCE', set: pick(changes, isCoerced) },
  ]
  return parts.filter(({ set }) => Object.keys(set).length > 0)
}

/** Modifying System (0400,0563): 64 characters at most. */
export const systemOf = (holder: OrganizationOid): string => `CAMI ${holder}`.slice(0, 64)

const pick = (
  changes: [string, DicomJson[string]][],
  wanted: (tag: string) => boolean,
): DicomJson => Object.fromEntries(changes.filter(([tag]) => wanted(tag)))
