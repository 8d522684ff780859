import { indexLimits } from '#protocol/limits.ts'
import type { OrganizationOid } from '#protocol/ids.ts'
import type { StudyFacts } from '#protocol/authorize.ts'
import type { SeriesRecord, StudyRecord } from '#protocol/study.ts'
import { textOf } from './attribute-levels.ts'
import { stateOf } from './catalog-rows.ts'
import type { SeriesRow, StudyRow } from './catalog-rows.ts'

const date = (text: string): string => (/^\d{8}$/.test(text) ? text : '')
const time = (text: string): string => (/^\d{2,6}(\.\d{1,6})?$/.test(text) ? text : '')
const sex = (text: string): StudyRecord['patient']['sex'] =>
  text === 'M' || text === 'F' || text === 'O' ? text : ''

/** What the federation is told of a study; values that a modality filled beyond their limits are cut. */
export function createStudyRecord(row: StudyRow, series: readonly SeriesRow[]): StudyRecord {
  const { attributes } = row
  const text = (tag: string, max: number): string => textOf(attributes, tag).slice(0, max)
  return {
    study: row.study,
    patient: {
      name: text('00100010', 324),
      id: text('00100020', 128),
      issuer: text('00100021', 128),
      birthDate: date(text('00100030', 16)),
      sex: sex(text('00100040', 16)),
    },
    date: date(text('00080020', 16)),
    time: time(text('00080030', 16)),
    description: text('00081030', 256),
    accession: text('00080050', 64),
    studyId: text('00200010', 64),
    referrer: text('00080090', 324),
    modalities: row.modalities.slice(0, 32).map((modality) => modality.slice(0, 16)),
    series: series.slice(0, indexLimits.seriesPerRecordMax).map(seriesRecord),
    instances: row.instances,
    bytes: row.bytes,
    device: row.device.slice(0, 64),
    state: stateOf(row),
    receivedAt: row.receivedAt,
  }
}

function seriesRecord({ series, attributes, instances }: SeriesRow): SeriesRecord {
  const text = (tag: string, max: number): string => textOf(attributes, tag).slice(0, max)
  return {
    uid: series,
    modality: text('00080060', 16),
    number: text('00200011', 16),
    description: text('0008103E', 256),
    bodyPart: text('00180015', 64),
    instances,
  }
}

/** For the decision whether somebody may read it. */
export const createStudyFacts = (row: StudyRow, holder: OrganizationOid): StudyFacts => ({
  study: row.study,
  holder,
  modalities: row.modalities,
  date: date(textOf(row.attributes, '00080020')),
  device: row.device,
  withheld: false,
})
