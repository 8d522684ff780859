import type { QuarantineReason } from './archive.ts'
import type { StudyRow } from './catalog-rows.ts'
import type { Catalog } from './catalog.ts'
import { hasValidUids } from './filing.ts'
import type { Identity, InstanceHeader } from './filing.ts'
import { patientOf } from './row-merge.ts'

/** Who a study that is being filed belongs to, before the catalog knows it. */
export type ArrivingPatients = Map<string, { patient: StudyRow['patient']; users: number }>

export type ReasonParts = {
  catalog: Pick<Catalog, 'sop' | 'study'>
  /** Patients of studies whose first instances are on their way into the catalog. */
  arriving: ArrivingPatients
}

export type Facts = {
  identity: Identity
  header: InstanceHeader
  sha256: string
  patient: StudyRow['patient']
}

/** Why an instance is kept apart; undefined when it is not (DQ-01, DQ-09 … DQ-11). */
export function quarantineReason(
  { catalog, arriving }: ReasonParts,
  { identity, header, sha256, patient }: Facts,
): QuarantineReason | undefined {
  const { origin } = header
  if (origin.kind === 'dimse' && origin.device === undefined) return 'unknown-device'
  // What was released is decided already; its quarantine entry cannot take a UID that somebody else has.
  if (!hasValidUids(identity)) return 'uid-syntax'
  const known = catalog.sop(identity.sop)
  if (known !== undefined) return known.sha256 === sha256 ? undefined : 'uid-conflict'
  if (origin.kind === 'release') return undefined
  const coming = arriving.get(identity.study)?.patient
  if (coming !== undefined && differs(coming, patient)) return 'patient-conflict'
  const study = catalog.study(identity.study)
  return study !== undefined && isOtherPatient(study, patient) ? 'patient-conflict' : undefined
}

/** Neither the patient that the study's instances name nor the one that it is shown under. */
export const isOtherPatient = (study: StudyRow, patient: StudyRow['patient']): boolean =>
  differs(study.patient, patient) && differs(patientOf(0, study.attributes), patient)

/** DQ-10. What one of the two leaves empty does not tell them apart. */
const differs = (a: StudyRow['patient'], b: StudyRow['patient']): boolean =>
  (['id', 'name', 'birthDate'] as const).some(
    (key) => a[key] !== undefined && b[key] !== undefined && a[key].value !== b[key].value,
  )
