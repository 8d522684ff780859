import { storageLimits } from '#protocol/limits.ts'
import type { StudyUid } from '#protocol/ids.ts'
import type { DicomJson } from '../dicom/dicom-json.ts'
import { seriesAttributes, studyAttributes, textOf } from './attribute-levels.ts'
import * as keys from './catalog-keys.ts'
import { changeSeq, emptyLedger } from './catalog-rows.ts'
import type {
  Change,
  EntryRow,
  Filing,
  InstanceRow,
  Ledger,
  QuarantineRow,
  SeriesRow,
  Since,
  SopRow,
  StudyRow,
} from './catalog-rows.ts'
import type { CatalogStore } from './catalog-store.ts'
import { foldIdentifier, foldName } from './folding.ts'
import { nameGroups } from './matching.ts'

type InstanceChange = Extract<Change, { kind: 'instance' }>

/**
 * Turns changes into rows. The result does not depend on the order in which changes come, and taking one twice
 * changes nothing: so a replay and a rebuild end where the first run did.
 */
export type RowBuilder = {
  /** The rows of one batch. */
  build(changes: readonly Change[]): Map<string, Buffer | undefined>
  ledger(): Ledger
  study(study: string): StudyRow | undefined
  /** Forgets what is not written: the batch failed. */
  forget(): void
}

export function createRowBuilder(store: Pick<CatalogStore, 'get'>): RowBuilder {
  const studies = new Map<string, StudyRow>()
  const series = new Map<string, SeriesRow>()
  let ledger: Ledger | undefined
  let rows = new Map<string, Buffer | undefined>()

  function read<T>(key: string): T | undefined {
    const bytes = rows.has(key) ? rows.get(key) : store.get(key)
    return bytes && (JSON.parse(bytes.toString()) as T)
  }
  const put = (key: string, row: unknown): void => {
    rows.set(key, Buffer.from(JSON.stringify(row)))
  }
  const mark = (key: string): void => {
    rows.set(key, Buffer.alloc(0))
  }
  const currentLedger = (): Ledger => (ledger ??= read<Ledger>(keys.ledgerKey) ?? emptyLedger)

  function study(uid: string): StudyRow | undefined {
    return studies.get(uid) ?? read<StudyRow>(keys.studyKey(uid))
  }

  function putStudy(before: StudyRow | undefined, row: StudyRow): void {
    remember(studies, row.study, row)
    put(keys.studyKey(row.study), row)
    const old = before === undefined ? [] : searchKeysOf(before)
    const now = searchKeysOf(row)
    for (const key of old) if (!now.includes(key)) rows.set(key, undefined)
    for (const key of now) if (!old.includes(key)) mark(key)
    if (before === undefined || changeSeq(before) !== changeSeq(row)) {
      if (before !== undefined) rows.set(keys.changeKey(changeSeq(before)), undefined)
      put(keys.changeKey(changeSeq(row)), row.study)
    }
    if (row.completeSeq > row.instanceSeq) rows.set(keys.openKey(row.study), undefined)
    else put(keys.openKey(row.study), row.lastReceivedAt)
  }

  function takeInstance(change: InstanceChange): void {
    const { filing } = change
    if (filing.reason !== undefined) return takeQuarantined(change)
    const known = read<SopRow>(keys.sopKey(filing.sop))
    if (known !== undefined) return repair(change, known)
    const before = study(filing.study)
    const seriesKey = keys.seriesKey(filing.study, filing.series)
    const seriesBefore = series.get(seriesKey) ?? read<SeriesRow>(seriesKey)
    const seriesRow = mergeSeries(seriesBefore, change)
    remember(series, seriesKey, seriesRow)
    put(seriesKey, seriesRow)
    if (seriesBefore === undefined) mark(keys.seriesStudyKey(filing.series, filing.study))
    putInstance(change)
    putStudy(before, mergeStudy(before, change, seriesBefore === undefined))
    const was = currentLedger()
    ledger = {
      ...was,
      studies: was.studies + (before === undefined ? 1 : 0),
      instances: was.instances + 1,
      bytes: was.bytes + filing.bytes,
    }
  }

  function putInstance({ filing, attributes, chunks, location }: InstanceChange): void {
    const { study, series, sop, sha256, seq } = filing
    put(keys.sopKey(sop), { study, series, sha256, seq } satisfies SopRow)
    put(keys.instanceKey(study, series, sop), instanceRow(filing, { attributes, location }))
    rows.set(keys.chunksKey(sop), chunks)
  }

  /** The same bytes again, because the first copy was found altered: the newer copy stands. */
  function repair(change: InstanceChange, known: SopRow): void {
    const { filing } = change
    if (known.sha256 !== filing.sha256 || known.seq >= filing.seq) return
    putInstance(change)
    rows.set(keys.corruptKey(filing.sop), undefined)
  }

  function takeQuarantined({ filing, attributes, location }: InstanceChange): void {
    const key = keys.quarantineKey(filing.seq)
    if (filing.reason === undefined || read<QuarantineRow>(key) !== undefined) return
    const { seq, reason, origin } = filing
    const { seq: _, location: __, ...entry } = instanceRow(filing, { attributes, location })
    put(key, { seq, reason, entry, origin, location } satisfies QuarantineRow)
    put(keys.quarantinedKey(filing.sop, filing.sha256), seq)
    const was = currentLedger()
    ledger = { ...was, quarantined: was.quarantined + 1 }
  }

  function complete(uid: StudyUid, seq: number): void {
    const before = study(uid)
    if (before !== undefined && before.completeSeq < seq) {
      putStudy(before, { ...before, completeSeq: seq })
    }
  }

  function take(change: Change): number {
    switch (change.kind) {
      case 'instance':
        takeInstance(change)
        return change.filing.seq
      case 'complete':
        complete(change.completion.study, change.completion.seq)
        return change.completion.seq
      case 'entry': {
        const { location, sha256, seq } = change
        put(keys.entryKey(seq), { location, sha256 } satisfies EntryRow)
        return seq
      }
      case 'none':
        return 0
    }
  }

  return {
    study,
    ledger: currentLedger,
    build(changes) {
      rows = new Map()
      for (const change of changes) {
        const seq = take(change)
        const was = currentLedger()
        ledger = { ...was, seq: Math.max(was.seq, seq) }
      }
      put(keys.ledgerKey, currentLedger())
      const built = rows
      rows = new Map()
      return built
    },
    forget() {
      studies.clear()
      series.clear()
      ledger = undefined
      rows = new Map()
    },
  }
}

/** Bounded: the longest unused goes first. */
function remember<T>(cache: Map<string, T>, key: string, row: T): void {
  cache.delete(key)
  cache.set(key, row)
  for (const oldest of cache.keys()) {
    if (cache.size <= storageLimits.catalogCacheMax) break
    cache.delete(oldest)
  }
}

function instanceRow(
  filing: Filing,
  { attributes, location }: Pick<InstanceChange, 'attributes' | 'location'>,
): InstanceRow {
  const { study, series, sop, sopClass, transferSyntax, bytes, sha256, chunksRoot } = filing
  const { headerBytes, receivedAt, seq, pixel, damaged } = filing
  const facts = { study, series, sop, sopClass, transferSyntax, bytes, sha256, chunksRoot }
  return {
    ...facts,
    headerBytes,
    receivedAt,
    attributes,
    seq,
    location,
    ...(pixel !== undefined && { pixel }),
    ...(damaged === true && { damaged }),
  }
}

function mergeSeries(
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

function mergeStudy(
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

function searchKeysOf(row: StudyRow): string[] {
  const { attributes, study, modalities } = row
  return keys.searchKeys({
    study,
    patientId: textOf(attributes, '00100020'),
    accession: textOf(attributes, '00080050'),
    names: (attributes['00100010']?.Value ?? []).flatMap(nameGroups),
    date: textOf(attributes, '00080020'),
    time: textOf(attributes, '00080030'),
    modalities,
  })
}
