import type { StudyRecord } from '#protocol/study.ts'
import type { DicomJson, DicomJsonElement } from '../dicom/dicom-json.ts'

/** Study-level attributes of an index record in the DICOM JSON model (PS3.18 Table 10.6.3-3). */
export function attributesOf(record: StudyRecord): DicomJson {
  const { patient } = record
  return {
    '00080005': text('CS', 'ISO_IR 192'),
    '00080020': text('DA', record.date),
    '00080030': text('TM', record.time),
    '00080050': text('SH', record.accession),
    '00080061': texts('CS', record.modalities),
    '00080090': name(record.referrer),
    '00081030': text('LO', record.description),
    '00100010': name(patient.name),
    '00100020': text('LO', patient.id),
    '00100021': text('LO', patient.issuer),
    '00100030': text('DA', patient.birthDate),
    '00100040': text('CS', patient.sex),
    '0020000D': text('UI', record.study),
    '00200010': text('SH', record.studyId),
    '00201206': number(record.series.length),
    '00201208': number(record.instances),
  }
}

/** Series-level attributes of each series of a record (PS3.18 Table 10.6.3-4). */
export function seriesAttributesOf(record: StudyRecord): DicomJson[] {
  return record.series.map((series) => ({
    '00080005': text('CS', 'ISO_IR 192'),
    '00080060': text('CS', series.modality),
    '0008103E': text('LO', series.description),
    '00180015': text('CS', series.bodyPart),
    '0020000D': text('UI', record.study),
    '0020000E': text('UI', series.uid),
    '00200011': text('IS', series.number),
    '00201209': number(series.instances),
  }))
}

const texts = (vr: string, values: readonly string[]): DicomJsonElement =>
  values.length === 0 ? { vr } : { vr, Value: [...values] }

const text = (vr: string, value: string): DicomJsonElement => texts(vr, value === '' ? [] : [value])

const name = (value: string): DicomJsonElement =>
  value === '' ? { vr: 'PN' } : { vr: 'PN', Value: [{ Alphabetic: value }] }

const number = (value: number): DicomJsonElement => ({ vr: 'IS', Value: [value] })
