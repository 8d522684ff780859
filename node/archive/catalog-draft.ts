import { storageLimits } from '#protocol/limits.ts'
import * as keys from './catalog-keys.ts'
import type { KeyRange } from './catalog-keys.ts'
import { emptyLedger } from './catalog-rows.ts'
import type { Ledger, SeriesRow, StudyRow } from './catalog-rows.ts'
import type { CatalogStore } from './catalog-store.ts'

/** Rows as they will be: those of the batch over those of the store. */
export type Draft = {
  read(key: string): unknown
  readBytes(key: string): Buffer | undefined
  put(key: string, row: unknown): void
  putBytes(key: string, bytes: Buffer): void
  remove(key: string): void
  /** Keys of a range in order, with those of the batch. */
  keys(range: KeyRange): Promise<string[]>
  study(study: string): StudyRow | undefined
  putStudy(row: StudyRow): void
  series(study: string, series: string): SeriesRow | undefined
  putSeries(row: SeriesRow): void
  removeSeries(study: string, series: string): void
  ledger(): Ledger
  count(more: Partial<Ledger>): void
  finish(): Map<string, Buffer | undefined>
}

/** Nobody changes a row: a changed one is a new object. */
type Unwritten = { row: unknown }

const written = (row: Buffer | Unwritten | undefined): Buffer | undefined =>
  row === undefined || Buffer.isBuffer(row) ? row : Buffer.from(JSON.stringify(row.row))

export function createDraft(store: Pick<CatalogStore, 'get' | 'keys'>): Draft {
  // Rows that each instance of a study changes again are kept as objects.
  const studies = new Map<string, StudyRow>()
  const series = new Map<string, SeriesRow>()
  // Written out at the end: of a row that a batch changes a hundred times, once.
  let rows = new Map<string, Buffer | Unwritten | undefined>()
  let ledger: Ledger | undefined

  const readBytes = (key: string): Buffer | undefined =>
    rows.has(key) ? written(rows.get(key)) : store.get(key)
  function read(key: string): unknown {
    const row = rows.has(key) ? rows.get(key) : store.get(key)
    if (row === undefined || !Buffer.isBuffer(row)) return row?.row
    return JSON.parse(row.toString())
  }
  const put = (key: string, row: unknown): void => void rows.set(key, { row })
  const currentLedger = (): Ledger =>
    (ledger ??= (read(keys.ledgerKey) as Ledger | undefined) ?? emptyLedger)

  return {
    read,
    readBytes,
    put,
    putBytes: (key, bytes) => void rows.set(key, bytes),
    remove: (key) => void rows.set(key, undefined),
    async keys(range) {
      const found = new Set<string>()
      for await (const key of store.keys(range)) found.add(key)
      for (const [key, row] of rows) {
        if (key < range.gte || key >= range.lt) continue
        if (row === undefined) found.delete(key)
        else found.add(key)
      }
      return [...found].sort()
    },
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
    removeSeries(study, uid) {
      const key = keys.seriesKey(study, uid)
      series.delete(key)
      rows.set(key, undefined)
    },
    ledger: currentLedger,
    count: (more) => void (ledger = added(currentLedger(), more)),
    finish() {
      put(keys.ledgerKey, currentLedger())
      const finished = new Map([...rows].map(([key, row]) => [key, written(row)]))
      rows = new Map()
      return finished
    },
  }
}

const added = (was: Ledger, more: Partial<Ledger>): Ledger => ({
  seq: Math.max(was.seq, more.seq ?? 0),
  studies: was.studies + (more.studies ?? 0),
  instances: was.instances + (more.instances ?? 0),
  bytes: was.bytes + (more.bytes ?? 0),
  quarantined: was.quarantined + (more.quarantined ?? 0),
})

/** Bounded: the longest unused goes first. */
function remember<T>(cache: Map<string, T>, key: string, row: T): void {
  cache.delete(key)
  cache.set(key, row)
  for (const oldest of cache.keys()) {
    if (cache.size <= storageLimits.catalogCacheMax) break
    cache.delete(oldest)
  }
}
