import { z } from 'zod'
import { indexLimits } from './limits.ts'
import { SeriesUid, StudyUid } from './ids.ts'

const text = (max: number) => z.string().max(max)
/** DICOM date `YYYYMMDD`; empty when the modality sent none that can be read. */
const DicomDate = z.string().regex(/^(\d{8})?$/, 'not a DICOM date')
const DicomTime = z.string().regex(/^(\d{2,6}(\.\d{1,6})?)?$/, 'not a DICOM time')

export const SeriesRecord = z.strictObject({
  uid: SeriesUid,
  modality: text(16),
  number: text(16),
  description: text(256),
  bodyPart: text(64),
  instances: z.int().min(0),
})
export type SeriesRecord = z.infer<typeof SeriesRecord>

/** What the federation knows of a study: study and series level; instance detail stays with the holder. */
export const StudyRecord = z.strictObject({
  study: StudyUid,
  patient: z.strictObject({
    /** DICOM person name, alphabetic group, decoded: `Иванов^Пётр^Сергеевич`. */
    name: text(324),
    id: text(128),
    /** Organization OID (or another namespace) that issued `id`. */
    issuer: text(128),
    birthDate: DicomDate,
    sex: z.enum(['M', 'F', 'O', '']),
  }),
  date: DicomDate,
  time: DicomTime,
  description: text(256),
  accession: text(64),
  studyId: text(64),
  referrer: text(324),
  modalities: z.array(text(16)).max(32),
  series: z.array(SeriesRecord).max(indexLimits.seriesPerRecordMax),
  instances: z.int().min(0),
  bytes: z.int().min(0),
  device: text(64),
  state: z.enum(['open', 'complete']),
  receivedAt: z.int().min(0),
})
export type StudyRecord = z.infer<typeof StudyRecord>
