import type { StudyUid } from '#protocol/ids.ts'
import { storageLimits } from '#protocol/limits.ts'
import * as keys from './catalog-keys.ts'
import { changeSeq, emptyLedger, standingOf, stateOf } from './catalog-rows.ts'
import type {
  Change,
  EntryRow,
  Ledger,
  QuarantineRow,
  SeriesRow,
  SopRow,
  StudyRow,
} from './catalog-rows.ts'
import type { CatalogStore } from './catalog-store.ts'
import {
  instanceRow,
  mergeSeries,
  mergeStudy,
  quarantineRow,
  searchKeysOf,
  sopRow,
} from './row-merge.ts'
import type { InstanceChange } from './row-merge.ts'

/**
 * Turns changes into rows. The result does not depend on the order in which changes come, and taking one twice
 * changes nothing: so a replay and a rebuild end where the first run did.
 */
export type RowBuilder = {
  /** The rows of one batch. */
  build(changes: readonly Change[]): Map<string, Buffer | undefined>
  ledger(): Ledger
  /** Forgets what is not written: the batch failed. */
  forget(): void
}

export function createRowBuilder(store: Pick<CatalogStore, 'get'>): RowBuilder {
  let draft = createDraft(store)
  return {
    ledger: () => draft.ledger(),
    build(changes) {
      for (const change of changes) takeChange(draft, change)
      return draft.finish()
    },
    forget() {
      draft = createDraft(store)
    },
  }
}

/** Rows as they will be: those of the batch over those of the store. */
type Draft = {
  read(key: string): unknown
  put(key: string, row: unknown): void
  putBytes(key: string, bytes: Buffer): void
  remove(key: string): void
  study(study: string): StudyRow | undefined
  putStudy(row: StudyRow): void
  series(study: string, series: string): SeriesRow | undefined
  putSeries(row: SeriesRow): void
  ledger(): Ledger
  count(more: Partial<Ledger>): void
  finish(): Map<string, Buffer | undefined>
}

function createDraft(store: Pick<CatalogStore, 'get'>): Draft {
  // Rows that each instance of a study changes again are kept as objects.
  const studies = new Map<string, StudyRow>()
  const series = new Map<string, SeriesRow>()
  let rows = new Map<string, Buffer | undefined>()
  let ledger: Ledger | undefined

  function read(key: string): unknown {
    const bytes = rows.has(key) ? rows.get(key) : store.get(key)
    return bytes && JSON.parse(bytes.toString())
  }
  const put = (key: string, row: unknown): void =>
    void rows.set(key, Buffer.from(JSON.stringify(row)))
  const currentLedger = (): Ledger =>
    (ledger ??= (read(keys.ledgerKey) as Ledger | undefined) ?? emptyLedger)

  return {
    read,
    put,
    putBytes: (key, bytes) => void rows.set(key, bytes),
    remove: (key) => void rows.set(key, undefined),
    study: (uid) => studies.get(uid) ?? (read(keys.studyKey(uid)) as StudyRow | undefined),
    putStudy(row) {
      remember(studies, row.study, row)
      put(keys.studyKey(row.study), row)
    },
    series(study, uid) {
      const key = keys.seriesKey(study, uid)
      return series.get(key) ?? (read(key) as SeriesRow | undefined)
    },
    putSeries(row) {
      const key = keys.seriesKey(row.study, row.series)
      remember(series, key, row)
      put(key, row)
    },
    ledger: currentLedger,
    count(more) {
      const was = currentLedger()
      ledger = {
        seq: Math.max(was.seq, more.seq ?? 0),
        studies: was.studies + (more.studies ?? 0),
        instances: was.instances + (more.instances ?? 0),
        bytes: was.bytes + (more.bytes ?? 0),
        quarantined: was.quarantined + (more.quarantined ?? 0),
      }
    },
    finish() {
      put(keys.ledgerKey, currentLedger())
      const finished = rows
      rows = new Map()
      return finished
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

function takeChange(draft: Draft, change: Change): void {
  switch (change.kind) {
    case 'instance':
      draft.count({ seq: standingOf(change.filing) })
      takeInstance(draft, change)
      break
    case 'complete':
      draft.count({ seq: change.completion.seq })
      takeCompletion(draft, change.completion.study, change.completion.seq)
      break
    case 'entry': {
      const { location, sha256, seq } = change
      draft.count({ seq })
      draft.put(keys.entryKey(seq), { location, sha256 } satisfies EntryRow)
      break
    }
    case 'none':
      break
  }
}

function takeInstance(draft: Draft, change: InstanceChange): void {
  const { filing } = change
  if (filing.reason !== undefined) return takeQuarantined(draft, change)
  const known = draft.read(keys.sopKey(filing.sop)) as SopRow | undefined
  if (known !== undefined) return replace(draft, change, known)
  const study = draft.study(filing.study)
  const series = draft.series(filing.study, filing.series)
  draft.putSeries(mergeSeries(series, change))
  if (series === undefined) {
    draft.putBytes(keys.seriesStudyKey(filing.series, filing.study), empty)
  }
  putInstance(draft, change)
  changeStudy(draft, study, mergeStudy(study, change, series === undefined))
  draft.count({ studies: study === undefined ? 1 : 0, instances: 1, bytes: filing.bytes })
}

const empty = Buffer.alloc(0)

function putInstance(draft: Draft, { filing, attributes, chunks, location }: InstanceChange): void {
  const { study, series, sop } = filing
  draft.put(keys.sopKey(sop), sopRow(filing))
  draft.put(keys.instanceKey(study, series, sop), instanceRow(filing, { attributes, location }))
  draft.putBytes(keys.chunksKey(sop), chunks)
}

/** The same instance again: a copy that was repaired, moved, or is elsewhere now. The newer record stands. */
function replace(draft: Draft, change: InstanceChange, known: SopRow): void {
  const { filing } = change
  if (known.sha256 !== filing.sha256 || standingOf(known) >= standingOf(filing)) return
  putInstance(draft, change)
  draft.remove(keys.corruptKey(filing.sop))
}

function takeQuarantined(draft: Draft, change: InstanceChange): void {
  const { filing, attributes, location } = change
  const key = keys.quarantineKey(filing.seq)
  const known = draft.read(key) as QuarantineRow | undefined
  if (known !== undefined && standingOf(known) >= standingOf(filing)) return
  draft.put(key, quarantineRow(filing, { attributes, location }))
  draft.put(keys.quarantinedKey(filing.sop, filing.sha256), filing.seq)
  if (known === undefined) draft.count({ quarantined: 1 })
}

function takeCompletion(draft: Draft, uid: StudyUid, seq: number): void {
  const before = draft.study(uid)
  if (before !== undefined && before.completeSeq < seq) {
    changeStudy(draft, before, { ...before, completeSeq: seq })
  }
}

/** The study's row and everything that points at it. */
function changeStudy(draft: Draft, before: StudyRow | undefined, row: StudyRow): void {
  draft.putStudy(row)
  const old = before === undefined ? [] : searchKeysOf(before)
  const now = searchKeysOf(row)
  for (const key of old) if (!now.includes(key)) draft.remove(key)
  for (const key of now) if (!old.includes(key)) draft.putBytes(key, empty)
  if (before !== undefined && changeSeq(before) !== changeSeq(row)) {
    draft.remove(keys.changeKey(changeSeq(before)))
  }
  draft.put(keys.changeKey(changeSeq(row)), row.study)
  if (stateOf(row) === 'complete') draft.remove(keys.openKey(row.study))
  else draft.put(keys.openKey(row.study), row.lastReceivedAt)
}
