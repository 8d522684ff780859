import type { DicomJson } from '../dicom/dicom-json.ts'
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
import { nameGroups } from './matching.ts'

export type InstanceChange = Extract<Change, { kind: 'instance' }>

export function instanceRow(
  filing: Filing,
  { attributes, location }: Pick<InstanceChange, 'attributes' | 'location'>,
): InstanceRow {
  const { study, series, sop, sopClass, transferSyntax, bytes, sha256, chunksRoot } = filing
  const { headerBytes, receivedAt, seq, pixel, damaged, copy, evicted } = filing
  const facts = { study, series, sop, sopClass, transferSyntax, bytes, sha256, chunksRoot }
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

export function mergeSeries(
  before: SeriesRow | undefined,
  { filing, attributes }: InstanceChange,
): SeriesRow {
  const { study, series, seq, bytes } = filing
  const own = { firstSeq: seq, attributes: seriesAttributes(attributes) }
  if (before === undefined) return { study, series, ...own, instances: 1, bytes }
  return {
    ...before,
    ...(seq < before.firstSeq && own),
    instances: before.instances + 1,
    bytes: before.bytes + bytes,
  }
}

export function mergeStudy(
  before: StudyRow | undefined,
  { filing, attributes }: InstanceChange,
  isNewSeries: boolean,
): StudyRow {
  const { study, seq, bytes, receivedAt, origin } = filing
  const device = origin.kind === 'dimse' ? (origin.device ?? '') : ''
  const modality = textOf(attributes, '00080060')
  const own = { firstSeq: seq, device, attributes: studyAttributes(attributes) }
  const patient = patientOf(seq, attributes)
  if (before === undefined) {
    return {
      study,
      ...own,
      instanceSeq: seq,
      completeSeq: 0,
      receivedAt,
      lastReceivedAt: receivedAt,
      patient,
      modalities: modality === '' ? [] : [modality],
      series: 1,
      instances: 1,
      bytes,
    }
  }
  const isNewModality = modality !== '' && !before.modalities.includes(modality)
  return {
    ...before,
    ...(seq < before.firstSeq && own),
    instanceSeq: Math.max(before.instanceSeq, seq),
    receivedAt: Math.min(before.receivedAt, receivedAt),
    lastReceivedAt: Math.max(before.lastReceivedAt, receivedAt),
    patient: mergePatient(before.patient, patient),
    modalities: isNewModality ? [...before.modalities, modality].sort() : before.modalities,
    series: before.series + (isNewSeries ? 1 : 0),
    instances: before.instances + 1,
    bytes: before.bytes + bytes,
  }
}

/** What an instance says about whose it is; what it leaves empty it does not say. */
export function patientOf(seq: number, attributes: DicomJson): StudyRow['patient'] {
  const id = foldIdentifier(textOf(attributes, '00100020'))
  const name = foldName(textOf(attributes, '00100010'))
  const birthDate = textOf(attributes, '00100030')
  return {
    ...(id !== '' && { id: { seq, value: id } }),
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
  const { attributes, study, modalities } = row
  return searchKeys({
    study,
    patientId: textOf(attributes, '00100020'),
    accession: textOf(attributes, '00080050'),
    names: (attributes['00100010']?.Value ?? []).flatMap(nameGroups),
    date: textOf(attributes, '00080020'),
    time: textOf(attributes, '00080030'),
    modalities,
  })
}
