import { overlayLimits } from '#protocol/limits.ts'
import type { DicomJson } from '../dicom/dicom-json.ts'
import { textValues } from '../dicom/values.ts'
import { vrOf } from '../dicom/dictionary.ts'
import { kindOf } from '../dicom/value-representation.ts'
import { element, textOf } from './attribute-levels.ts'
import * as keys from './catalog-keys.ts'
import type { InstanceRow, SeriesRow, StudyRow } from './catalog-rows.ts'
import { isSaying } from './overlay.ts'
import type { Overlay, OverlayOf, OverlayTarget, Saying, Survivor } from './overlay.ts'
import { surrogateOf } from './patient-id.ts'

/** Where overlays are looked up: the catalog, or the batch that is about to be written. */
export type OverlayRows = { read(key: string): unknown }

export function targetKeyOf(target: OverlayTarget): string {
  const { level } = target
  if (level === 'patient') return keys.targetKey('p', keys.patientKey(target.id, target.issuer))
  if (level === 'study') return keys.targetKey('s', target.study)
  if (level === 'series') return keys.targetKey('e', target.study, target.series)
  return keys.targetKey('i', target.study, target.series, target.sop)
}

export const numbersAt = (rows: OverlayRows, key: string): number[] =>
  (rows.read(key) as number[] | undefined) ?? []

export const overlayAt = (rows: OverlayRows, seq: number): Overlay | undefined =>
  rows.read(keys.overlayKey(seq)) as Overlay | undefined

export const revertedBy = (rows: OverlayRows, seq: number): number | undefined =>
  rows.read(keys.revertKey(seq)) as number | undefined

/** Overlays in force, in the order of their numbers. */
export function inForce(rows: OverlayRows, key: string): Saying[] {
  return numbersAt(rows, key).flatMap((seq) => {
    const overlay = overlayAt(rows, seq)
    const stands = overlay !== undefined && isSaying(overlay) && revertedBy(rows, seq) === undefined
    return stands ? [overlay] : []
  })
}

/** Attributes that corrections of one thing show; of several the latest stands. */
export function correctionsOf(rows: OverlayRows, target: OverlayTarget): DicomJson {
  const shown: DicomJson = {}
  for (const overlay of inForce(rows, targetKeyOf(target))) {
    if (overlay.kind !== 'correct') continue
    for (const { tag, new: values } of overlay.content.attributes) {
      shown[tag] = elementOf(tag, values)
    }
  }
  return shown
}

/** Values as DICOM writes them in the DICOM JSON model. */
export function elementOf(tag: string, values: readonly string[]): DicomJson[string] {
  const vr = vrOf(tag)
  const isNumber = kindOf(vr) === 'number'
  return element(vr, ...(isNumber ? values.map(Number) : textValues(values.join('\\'), vr)))
}

/**
 * Whether an instance is not to be seen. Who rejected a study or series saw what was there: an acquisition that is
 * repeated under the same UIDs is another matter, and nobody would miss what is acknowledged and never shown. What lay
 * in quarantine comes when it is let in.
 */
function isHidden(rows: OverlayRows, row: InstanceRow): boolean {
  const { study, series, sop, from } = row
  if (from !== undefined && !isReleasedAs(releaseOf(rows, from), { study, sop })) return true
  const isReleased = row.reason !== undefined
  const came = (isReleased ? releaseOf(rows, row.seq)?.seq : undefined) ?? row.seq
  const rejectionsOf = (target: OverlayTarget): Saying[] =>
    inForce(rows, targetKeyOf(target)).filter(({ kind }) => kind === 'reject')
  const above = [
    ...rejectionsOf({ level: 'study', study }),
    ...rejectionsOf({ level: 'series', study, series }),
  ]
  return (
    above.some(({ seq }) => came < seq) ||
    rejectionsOf({ level: 'instance', study, series, sop }).length > 0
  )
}

/** Of one entry there may be several copies, each by another decision: the one in force names the one to be seen. */
function isReleasedAs(
  release: OverlayOf<'release'> | undefined,
  { study, sop }: Pick<InstanceRow, 'study' | 'sop'>,
): boolean {
  const { target, content } = release ?? {}
  const isTarget = target?.level === 'study' && target.study === study
  return isTarget && (content?.renamed ?? []).some(([, uid]) => uid === sop || uid === study)
}

/** The overlay that released a quarantine entry, if one is in force. */
export const releaseOf = (rows: OverlayRows, entry: number) =>
  inForce(rows, keys.releaseKey(entry))
    .filter((overlay) => overlay.kind === 'release')
    .at(-1)

/** An instance's row with what its own overlays say. */
export function viewInstance(rows: OverlayRows, row: InstanceRow): InstanceRow {
  const { hidden: _, shown: __, ...base } = row
  const { study, series, sop } = row
  const shown = correctionsOf(rows, { level: 'instance', study, series, sop })
  return {
    ...base,
    ...(isHidden(rows, row) && { hidden: true as const }),
    ...(!isEmpty(shown) && { shown }),
  }
}

export function viewSeries(rows: OverlayRows, base: SeriesRow): SeriesRow {
  const { study, series } = base
  const shown = correctionsOf(rows, { level: 'series', study, series })
  if (isEmpty(shown)) return base
  return { ...base, attributes: { ...base.attributes, ...shown }, received: base.attributes, shown }
}

/** The row without what overlays made of it. */
export function baseOf<Row extends SeriesRow | StudyRow>(row: Row): Row {
  const { received, shown: _, ...rest } = row
  if ('also' in rest) delete rest.also
  if ('patients' in rest) delete rest.patients
  return { ...rest, attributes: received ?? row.attributes } as Row
}

/** The study's row as corrections and merges show it, and who its patient is. */
export function viewStudy(rows: OverlayRows, base: StudyRow, node: string): StudyRow {
  const own = correctionsOf(rows, { level: 'study', study: base.study })
  const surrogate = surrogateOf({ ...base.attributes, ...own }, { node, seq: base.firstSeq })
  const patient = followPatient(rows, base.attributes, { ...surrogate, ...own })
  const { shown, also, patients, number } = patient
  const overlaySeq = Math.max(base.touchedSeq, number)
  if (isEmpty(shown)) return { ...base, overlaySeq }
  return {
    ...base,
    overlaySeq,
    attributes: { ...base.attributes, ...shown },
    received: base.attributes,
    shown,
    ...(also.length > 0 && { also, patients }),
  }
}

/** From the patient that the study names to the one that it is shown under. */
function followPatient(rows: OverlayRows, attributes: DicomJson, own: DicomJson) {
  const shown = { ...own }
  const also: DicomJson[] = []
  const patients: string[] = []
  let number = 0
  for (let step = 0; step < overlayLimits.mergeDepthMax; step++) {
    const now = { ...attributes, ...shown }
    const [id, issuer] = [textOf(now, patientId), textOf(now, issuerOfPatientId)]
    const key = keys.patientKey(id, issuer)
    if (id === '' || patients.includes(key)) break
    patients.push(key)
    const target = { level: 'patient', id, issuer } as const
    const place = targetKeyOf(target)
    number = Math.max(number, ...numbersAt(rows, place))
    Object.assign(shown, correctionsOf(rows, target))
    const merge = inForce(rows, place).findLast((overlay) => overlay.kind === 'merge')
    if (merge === undefined) break
    also.push(personal({ ...attributes, ...shown }))
    Object.assign(shown, survivorAttributes(merge.content.survivor))
  }
  return { shown, also, patients, number }
}

export const patientId = '00100020'
export const issuerOfPatientId = '00100021'

/** Attributes of the patient, among those of a study. */
export const personal = (attributes: DicomJson): DicomJson =>
  Object.fromEntries(Object.entries(attributes).filter(([tag]) => tag.startsWith('0010')))

function survivorAttributes({ id, issuer, name, birthDate, sex }: Survivor): DicomJson {
  return {
    [patientId]: elementOf(patientId, [id]),
    [issuerOfPatientId]: elementOf(issuerOfPatientId, issuer === '' ? [] : [issuer]),
    ...(name !== '' && { '00100010': elementOf('00100010', [name]) }),
    ...(birthDate !== '' && { '00100030': elementOf('00100030', [birthDate]) }),
    ...(sex !== '' && { '00100040': elementOf('00100040', [sex]) }),
  }
}

/** Keys of the patients that a study belongs to. */
export function patientsOf({ attributes, patients }: StudyRow): readonly string[] {
  if (patients !== undefined) return patients
  const id = textOf(attributes, patientId)
  return id === '' ? [] : [keys.patientKey(id, textOf(attributes, issuerOfPatientId))]
}

/** An instance's attributes as they are shown: its study's and series' corrections, then its own. */
export function shownAttributes(
  row: InstanceRow,
  study: Pick<StudyRow, 'attributes' | 'shown'> | undefined,
  series: Pick<SeriesRow, 'shown'> | undefined,
): DicomJson {
  const isPlain = study?.shown === undefined && series?.shown === undefined
  if (isPlain && row.shown === undefined && row.adopted !== true) return row.attributes
  return { ...row.attributes, ...changesOf(row, study, series) }
}

/** Only what differs from the bytes. */
export const changesOf = (
  row: InstanceRow,
  study: Pick<StudyRow, 'attributes' | 'shown'> | undefined,
  series: Pick<SeriesRow, 'shown'> | undefined,
): DicomJson => ({
  ...(row.adopted === true && personal(study?.attributes ?? {})),
  ...study?.shown,
  ...series?.shown,
  ...row.shown,
})

const isEmpty = (attributes: DicomJson): boolean => Object.keys(attributes).length === 0
