import { storageLimits } from '#protocol/limits.ts'
import type { DicomJson } from '../dicom/dicom-json.ts'
import { hasRawText } from '../dicom/charsets.ts'
import { seriesAttributes, studyAttributes, textOf } from './attribute-levels.ts'
import { searchKeys } from './catalog-keys.ts'
import type {
  Change,
  Filing,
  InstanceRow,
  QuarantineRow,
  SeriesRow,
  Since,
  SopRow,
  StudyRow,
} from './catalog-rows.ts'
import { foldIdentifier, foldName } from './folding.ts'
import { nameKeys } from './matching.ts'
import { isPlaceholderId } from './patient-id.ts'
import { mergeQuality, readable } from './study-quality.ts'

const { sopClassesPerStudyMax } = storageLimits

export type InstanceChange = Extract<Change, { kind: 'instance' }>

export function instanceRow(
  filing: Filing,
  { attributes, location }: Pick<InstanceChange, 'attributes' | 'location'>,
): InstanceRow {
  const { study, series, sop, sopClass, transferSyntax, bytes, sha256 } = filing
  const { headerBytes, receivedAt, seq, pixel, damaged, copy, evicted, origin } = filing
  const { text, findings } = filing
  const facts = { study, series, sop, sopClass, transferSyntax, bytes, sha256 }
  return {
    ...facts,
    headerBytes,
    receivedAt,
    attributes,
    seq,
    ...(copy !== undefined && { copy }),
    location,
    ...(evicted !== undefined && { evicted }),
    ...(pixel !== undefined && { pixel }),
    ...(damaged === true && { damaged }),
    ...(text !== undefined && { text }),
    ...(findings !== undefined && { findings }),
    ...(origin.kind === 'dimse' && origin.device !== undefined && { device: origin.device }),
    ...(origin.kind === 'release' && { from: origin.entry }),
  }
}

export function sopRow({ study, series, sha256, seq, copy }: Filing): SopRow {
  return { study, series, sha256, seq, ...(copy !== undefined && { copy }) }
}

export function quarantineRow(
  filing: Filing,
  parts: Pick<InstanceChange, 'attributes' | 'location'>,
): QuarantineRow | undefined {
  const { seq, copy, reason, origin } = filing
  if (reason === undefined) return undefined
  const { seq: _, copy: __, location, ...entry } = instanceRow(filing, parts)
  return { seq, ...(copy !== undefined && { copy }), reason, entry, origin, location }
}

/**
 * Of several instances the earliest speaks for its series and study. One that was adopted from quarantine speaks only
 * where no other does: it may name somebody else.
 */
const orderOf = ({ seq, adopted }: InstanceRow): number =>
  adopted === true ? seq + adoptedOrder : seq
const adoptedOrder = 2 ** 50

export function mergeSeries(before: SeriesRow | undefined, row: InstanceRow): SeriesRow {
  const { study, series, bytes } = row
  const order = orderOf(row)
  const own = { firstSeq: order, attributes: seriesAttributes(row.attributes) }
  const away = isAway(row) ? 1 : 0
  if (before === undefined) {
    return withAway({ study, series, ...own, instances: 1, bytes }, away)
  }
  const merged = {
    ...before,
    ...(order < before.firstSeq && own),
    instances: before.instances + 1,
    bytes: before.bytes + bytes,
  }
  return withAway(merged, away)
}

/** Its bytes are elsewhere. */
export const isAway = ({ evicted }: InstanceRow): boolean => evicted !== undefined

/** As many instances more, or fewer, have their bytes elsewhere. */
export function withAway<Row extends SeriesRow | StudyRow>(row: Row, more: number): Row {
  if (more === 0) return row
  const { away: before = 0, ...rest } = row
  const away = before + more
  return { ...rest, ...(away > 0 && { away }) } as Row
}

export function mergeStudy(before: StudyRow, row: InstanceRow, isNewSeries: boolean): StudyRow {
  const { bytes, receivedAt, attributes, device = '' } = row
  const order = orderOf(row)
  const modality = textOf(attributes, '00080060')
  const own = { firstSeq: order, device, attributes: studyAttributes(attributes) }
  const quality = mergeQuality(before.quality, row, order)
  const stands = order < before.firstSeq ? own : before
  const merged = {
    ...noteArrival(before, row),
    ...(order < before.firstSeq && own),
    attributes: readable(stands.attributes, quality.text),
    quality,
    late: before.late + (isLate(before, row) ? 1 : 0),
    receivedAt: Math.min(before.receivedAt, receivedAt),
    patient: mergePatient(before.patient, patientOf(order, attributes)),
    modalities: including(before.modalities, modality),
    // The first in order: whichever came first, the row is the same.
    sopClasses: including(before.sopClasses, row.sopClass).slice(0, sopClassesPerStudyMax),
    series: before.series + (isNewSeries ? 1 : 0),
    instances: before.instances + 1,
    bytes: before.bytes + bytes,
  }
  return withAway(merged, isAway(row) ? 1 : 0)
}

/** Each once and in order; the same list when there is nothing new. */
const including = (list: string[], text: string): string[] =>
  text === '' || list.includes(text) ? list : [...list, text].sort()

const isLate = ({ firstCompleteSeq }: StudyRow, { seq }: InstanceRow): boolean =>
  firstCompleteSeq > 0 && seq > firstCompleteSeq

/** That something came, also when it is not to be seen. */
export const noteArrival = (before: StudyRow, { seq, receivedAt }: InstanceRow): StudyRow => ({
  ...before,
  instanceSeq: Math.max(before.instanceSeq, seq),
  lastReceivedAt: Math.max(before.lastReceivedAt, receivedAt),
})

/** What an instance says about whose it is; what it leaves empty it does not say. */
export function patientOf(seq: number, attributes: DicomJson): StudyRow['patient'] {
  const id = foldIdentifier(textOf(attributes, '00100020'))
  // Bytes that nobody could read yet are no name.
  const written = textOf(attributes, '00100010')
  const name = hasRawText(written) ? '' : foldName(written)
  const birthDate = textOf(attributes, '00100030')
  return {
    ...(!isPlaceholderId(id) && { id: { seq, value: id } }),
    ...(name !== '' && { name: { seq, value: name } }),
    ...(birthDate !== '' && { birthDate: { seq, value: birthDate } }),
  }
}

export function mergePatient(a: StudyRow['patient'], b: StudyRow['patient']): StudyRow['patient'] {
  const earlier = (x?: Since, y?: Since): Since | undefined =>
    x === undefined || (y !== undefined && y.seq < x.seq) ? y : x
  const id = earlier(a.id, b.id)
  const name = earlier(a.name, b.name)
  const birthDate = earlier(a.birthDate, b.birthDate)
  return { ...(id && { id }), ...(name && { name }), ...(birthDate && { birthDate }) }
}

export function searchKeysOf(row: StudyRow): string[] {
  const { attributes, study, modalities, also = [] } = row
  return searchKeys({
    study,
    patientIds: [attributes, ...also].map((patient) => textOf(patient, '00100020')),
    accession: textOf(attributes, '00080050'),
    names: [attributes, ...also].flatMap((patient) =>
      (patient['00100010']?.Value ?? []).flatMap(nameKeys),
    ),
    date: textOf(attributes, '00080020'),
    time: textOf(attributes, '00080030'),
    modalities,
  })
}
