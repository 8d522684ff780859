import type { SeriesUid, StudyUid } from '#protocol/ids.ts'
import { storageLimits } from '#protocol/limits.ts'
import { judgeText } from '../dicom/charsets.ts'
import type { Candidate, CyrillicEncoding } from '../dicom/cyrillic.ts'
import type { WalkedText } from '../dicom/data-set.ts'
import type { DicomJson } from '../dicom/dicom-json.ts'
import { codeOf, type Finding } from '../dicom/quality.ts'
import { decodeAs } from '../dicom/iso-2022.ts'
import * as keys from './catalog-keys.ts'
import type { StudyRow } from './catalog-rows.ts'
import type { Catalog } from './catalog.ts'
import { decoded, findingsOf, isInDoubt, needsCorrection, type StudyText } from './study-quality.ts'

/** What the rules of reception say of one study. */
export type StudyFindings = {
  study: StudyUid
  device: string
  receivedAt: number
  /** Study attributes as they are shown. */
  attributes: DicomJson
  findings: Finding[]
  needsCorrection: boolean
  /** Absent when the text is readable. */
  doubt?: Doubt
  /** What its text was taken for, when that is not what was declared. */
  text?: { source: string; encoding?: CyrillicEncoding; confidence: number }
}

/** Which encoding is it? A person who knows the patient sees at once. */
export type Doubt = {
  declared: string[]
  /** Likeliest first; each with the study's attributes as it would read them. */
  candidates: (Candidate & { attributes: DicomJson })[]
}

export type Attention = {
  /** In the order of their UIDs. */
  studies: StudyFindings[]
  more: boolean
  /** How many studies need correction, and for what; `counted` says how many were looked at. */
  counts: Record<string, number>
  counted: number
}

/** Studies in which somebody must correct something. */
export async function listAttention(
  catalog: Catalog,
  { after = '', limit }: { after?: string; limit: number },
): Promise<Attention> {
  const uids: string[] = []
  for await (const key of catalog.keys(keys.rangeOf('aq'))) {
    uids.push(keys.lastPart(key))
    if (uids.length >= storageLimits.quarantineListMax) break
  }
  const counts: Record<string, number> = {}
  const studies: StudyFindings[] = []
  let more = false
  for (let at = 0; at < uids.length; at += pageStudies) {
    for (const row of catalog.studies(uids.slice(at, at + pageStudies))) {
      for (const code of codesOf(row)) counts[code] = (counts[code] ?? 0) + 1
      if (row.study <= after) continue
      if (studies.length < limit) studies.push(studyFindings(row))
      else more = true
    }
  }
  return { studies, more, counts, counted: uids.length }
}

const pageStudies = 256

const codesOf = (row: StudyRow): Set<string> =>
  new Set(
    findingsOf(row)
      .filter(({ action }) => action === 'correct')
      .map(({ code }) => code),
  )

export function studyFindings(row: StudyRow): StudyFindings {
  const { study, device, receivedAt, attributes, quality } = row
  const text = quality?.text
  const judgement = text?.judgement
  return {
    study,
    device,
    receivedAt,
    attributes,
    findings: findingsOf(row),
    needsCorrection: needsCorrection(row),
    ...(text !== undefined && isInDoubt(row) && { doubt: doubtOf(text) }),
    ...(judgement !== undefined && judgement.source !== 'doubtful' && { text: judgement }),
  }
}

function doubtOf({ declared, raw, samples }: StudyText): Doubt {
  const bytes = samples.map(({ hex }) => Buffer.from(hex, 'hex'))
  const { candidates = [] } = judgeText(declared, bytes)
  return {
    declared,
    candidates: candidates.map((candidate) => ({
      ...candidate,
      attributes: decoded(raw, declared, { ...candidate, source: 'detected' }),
    })),
  }
}

/** Text that nobody could read, decoded as somebody says it is: values by what they are to be corrected in. */
export type Reading = { study: ReadValue[]; series: Map<SeriesUid, ReadValue[]> }
export type ReadValue = { tag: string; new: string[] }

/** Nothing when there is no doubt. Of each series the first instance that was in doubt speaks. */
export async function readDoubt(
  catalog: Catalog,
  row: StudyRow,
  encoding: CyrillicEncoding,
): Promise<Reading | undefined> {
  const text = row.quality?.text
  if (text === undefined || !isInDoubt(row)) return undefined
  const series: Reading['series'] = new Map()
  let left = storageLimits.searchScanMax
  for await (const instance of catalog.instancesOf(row.study)) {
    if (--left < 0) break
    if (instance.text?.source !== 'doubtful' || series.has(instance.series)) continue
    const shown = catalog.series(row.study, instance.series)?.attributes ?? {}
    const values = readValues(instance.text.raw, encoding).filter(({ tag }) => tag in shown)
    if (values.length > 0) series.set(instance.series, values)
  }
  return { study: readValues(text.raw, encoding), series }
}

const readValues = (raw: WalkedText['raw'], encoding: CyrillicEncoding): ReadValue[] =>
  Object.entries(raw).map(([tag, { hex }]) => ({
    tag,
    new: decodeAs(encoding, Buffer.from(hex, 'hex'))
      .split('\\')
      .map((value) => value.replaceAll(/\p{Cc}/gu, '').trim())
      .map((value) => codeOf(tag, value) ?? value),
  }))
