import { ProtocolError } from '#protocol/errors.ts'
import type { StudyUid } from '#protocol/ids.ts'
import { overlayLimits } from '#protocol/limits.ts'
import type { DicomJson } from '../dicom/dicom-json.ts'
import { vrOf } from '../dicom/dictionary.ts'
import { textOfValue } from '../dicom/element-writer.ts'
import { kindOf } from '../dicom/value-representation.ts'
import { isSeriesTag, isStudyTag, textOf } from './attribute-levels.ts'
import * as keys from './catalog-keys.ts'
import type { StudyRow } from './catalog-rows.ts'
import type { Catalog } from './catalog.ts'
import { isSaying } from './overlay.ts'
import type { OverlayRequest, OverlayTarget, Survivor } from './overlay.ts'
import {
  inForce,
  issuerOfPatientId,
  overlayAt,
  patientId,
  revertedBy,
  targetKeyOf,
} from './overlay-view.ts'
import type { OverlayDraft } from './overlays.ts'

type RequestOf<Kind extends OverlayRequest['kind']> = Extract<OverlayRequest, { kind: Kind }>

const refuse = (message: string): never => {
  throw new ProtocolError('bad_request', message)
}
const absent = (what: string): never => {
  throw new ProtocolError('not_found', `no such ${what}`)
}

/** What a correction replaces is looked up here: whoever corrects does not say what was there. */
export async function correctionContent(
  catalog: Catalog,
  { target, attributes }: RequestOf<'correct'>,
): Promise<OverlayDraft> {
  const shown = await shownAt(catalog, target)
  const corrected = attributes.map(({ tag, new: values }) => {
    checkTag(tag, target.level)
    return { tag, old: valuesOf(shown, tag), new: [...values] }
  })
  if (new Set(corrected.map(({ tag }) => tag)).size !== corrected.length) {
    refuse('an attribute is named twice')
  }
  return { kind: 'correct', target, content: { attributes: corrected } }
}

/** Attributes as they are shown now. */
async function shownAt(catalog: Catalog, target: OverlayTarget): Promise<DicomJson> {
  if (target.level === 'patient') {
    const [study] = await studiesOf(catalog, target)
    return study?.attributes ?? absent('patient')
  }
  if (!isThere(catalog, target)) return absent(target.level)
  const row =
    target.level === 'study'
      ? catalog.study(target.study)
      : target.level === 'series'
        ? catalog.series(target.study, target.series)
        : catalog.instance(target.sop)
  return row?.attributes ?? {}
}

/** Studies that belong to a patient, under whatever name they are shown. */
async function studiesOf(
  catalog: Catalog,
  { id, issuer }: { id: string; issuer: string },
): Promise<StudyRow[]> {
  const found: StudyUid[] = []
  for await (const page of catalog.keyPages(keys.rangeOf('oy', keys.patientKey(id, issuer)))) {
    for (const key of page) found.push(keys.lastPart(key) as StudyUid)
    if (found.length >= overlayLimits.perTargetMax) break
  }
  return catalog.studies(found)
}

/** What other records are filed by, and what is no text or number, is not corrected but stored anew. */
function checkTag(tag: string, level: OverlayTarget['level']): void {
  const kind = kindOf(vrOf(tag))
  const isValue = kind === 'text' || kind === 'number'
  const isKey = vrOf(tag) === 'UI' || tag === '00080005' || tag < '00080000' || tag >= '7FE00000'
  if (!isValue || isKey) refuse(`${tag} cannot be corrected`)
  const isPersonal = tag.startsWith('0010') && isStudyTag(tag)
  const isOfPatient = isPersonal && tag !== patientId && tag !== issuerOfPatientId
  const isOfLevel = {
    patient: isOfPatient,
    study: isStudyTag(tag),
    series: isSeriesTag(tag),
    instance: !isStudyTag(tag) && !isSeriesTag(tag),
  }
  if (!isOfLevel[level]) refuse(`${tag} is no attribute of a ${level}`)
}

const valuesOf = (attributes: DicomJson, tag: string): string[] =>
  (attributes[tag]?.Value ?? [])
    .slice(0, overlayLimits.valuesMax)
    .map((value) => textOfValue(value).slice(0, overlayLimits.valueChars))

/** Who survives takes over; her own merges may not lead back. */
export async function mergeContent(
  catalog: Catalog,
  { target, survivor }: RequestOf<'merge'>,
): Promise<OverlayDraft> {
  const studies = await studiesOf(catalog, target)
  if (studies.length === 0) absent('patient')
  const own = keys.patientKey(target.id, target.issuer)
  let next: { id: string; issuer: string } | undefined = survivor
  for (let step = 0; next !== undefined; step++) {
    if (keys.patientKey(next.id, next.issuer) === own || step >= overlayLimits.mergeDepthMax - 1) {
      throw new ProtocolError('conflict', 'the merges would lead in a circle or too far')
    }
    next = survivorOf(catalog, next)
  }
  if (survivorOf(catalog, target) !== undefined) {
    throw new ProtocolError('conflict', 'the patient has been merged already')
  }
  const known = (await studiesOf(catalog, survivor)).find(({ attributes }) =>
    isNamed(attributes, survivor),
  )
  return { kind: 'merge', target, content: { survivor: completed(survivor, known?.attributes) } }
}

const survivorOf = (catalog: Catalog, { id, issuer }: { id: string; issuer: string }) =>
  inForce(catalog, targetKeyOf({ level: 'patient', id, issuer })).findLast(
    (overlay) => overlay.kind === 'merge',
  )?.content.survivor

const isNamed = (attributes: DicomJson, { id, issuer }: Survivor): boolean =>
  keys.patientKey(textOf(attributes, patientId), textOf(attributes, issuerOfPatientId)) ===
  keys.patientKey(id, issuer)

/** What the request leaves empty is as the survivor's own studies say. */
function completed(survivor: Survivor, known: DicomJson = {}): Survivor {
  const birthDate = textOf(known, '00100030')
  const sex = textOf(known, '00100040')
  return {
    ...survivor,
    name: survivor.name || (valuesOf(known, '00100010')[0] ?? '').slice(0, 324),
    birthDate: survivor.birthDate || (/^\d{8}$/.test(birthDate) ? birthDate : ''),
    sex: survivor.sex || (sex === 'M' || sex === 'F' || sex === 'O' ? sex : ''),
  }
}

export function rejectContent(
  catalog: Catalog,
  { target, code, instances, note }: RequestOf<'reject'>,
): OverlayDraft {
  if (!isThere(catalog, target)) absent(target.level)
  if (instances !== undefined && target.level !== 'study') refuse('instances are listed of a study')
  for (const { series, sop } of instances ?? []) {
    if (!isThere(catalog, { level: 'instance', study: target.study, series, sop }))
      absent('instance')
  }
  const list = instances === undefined ? {} : { instances: [...instances] }
  return { kind: 'reject', target, content: { code, ...list, ...(note !== undefined && { note }) } }
}

function isThere(catalog: Catalog, target: Exclude<OverlayTarget, { level: 'patient' }>): boolean {
  if (catalog.study(target.study) === undefined) return false
  if (target.level === 'study') return true
  if (target.level === 'series') return catalog.series(target.study, target.series) !== undefined
  const row = catalog.instance(target.sop)
  return row?.study === target.study && row.series === target.series
}

const endings = {
  merge: 'unmerge',
  reject: 'restore',
  correct: 'revert',
  release: 'revert',
} as const

export function revertContent(catalog: Catalog, seq: number): OverlayDraft {
  const overlay = overlayAt(catalog, seq)
  if (overlay === undefined) return absent('overlay')
  if (!isSaying(overlay)) return refuse('what ends an overlay cannot itself be reverted')
  if (revertedBy(catalog, seq) !== undefined) {
    throw new ProtocolError('conflict', 'the overlay has been reverted already')
  }
  return { kind: endings[overlay.kind], target: overlay.target, reverts: seq }
}
