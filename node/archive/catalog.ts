import { access, rm, writeFile } from 'node:fs/promises'
import type { ProtocolError } from '#protocol/errors.ts'
import type { SeriesUid, SopUid, StudyUid } from '#protocol/ids.ts'
import { storageLimits } from '#protocol/limits.ts'
import type { Log } from '../log.ts'
import { readBatchNumbers } from './batch-numbers.ts'
import { createRowBuilder } from './catalog-apply.ts'
import * as keys from './catalog-keys.ts'
import { isVisible } from './catalog-rows.ts'
import { openCatalogStore } from './catalog-store.ts'
import type { CatalogStore } from './catalog-store.ts'
import type {
  Change,
  EntryRow,
  InstanceRow,
  Ledger,
  QuarantineRow,
  SeriesRow,
  SopRow,
  StudyRow,
} from './catalog-rows.ts'
import { createHoldingStore } from './held-rows.ts'
import { createCatalogWriter } from './catalog-writer.ts'
import { createMending } from './catalog-mend.ts'
import type { Mending } from './catalog-mend.ts'
import { readPositions } from './log-positions.ts'
import type { LogPosition } from './log-start.ts'
import type { Overlay } from './overlay.ts'
import { shownAttributes } from './overlay-view.ts'
import { createSearchKeyCache } from './search-key-cache.ts'
import { createStudyRowCache } from './study-row-cache.ts'
import type { StudyRowCache } from './study-row-cache.ts'

const format = 8

/** Everything that is searched or pointed at, in LevelDB; whatever it holds can be made again from the value log. */
export type Catalog = AsyncDisposable &
  Mending & {
    /** Resolves when a row was found altered: the process stops, and the next start makes the catalog again. */
    readonly failed: Promise<ProtocolError>
    /** The rows cannot be trusted: they are made again at the next start. */
    distrust(error: ProtocolError): Promise<void>
    positions(): ReadonlyMap<number, LogPosition>
    /**
     * Takes a change in, together with others that wait. It resolves also when LevelDB refuses: the change is safe in
     * the log, its rows are read from memory, and `check` refuses new ones until LevelDB takes them.
     */
    apply(change: Change): Promise<void>
    /** The same when nobody waits for it: it is written with others, a little later. */
    follow(change: Change): Promise<void>
    /** Resolves when everything can be read that was given before. */
    written(): Promise<void>
    /** Throws `storage_full` while there is a backlog. It is tried again and again to write it. */
    check(): Promise<void>
    ledger(): Ledger
    study(study: string): StudyRow | undefined
    sop(sop: string): SopRow | undefined
    studies(uids: readonly string[]): StudyRow[]
    allStudies(): AsyncIterable<StudyRow>
    /** The same before anything is written: rows are kept for the searches to come. */
    firstStudies(): AsyncIterable<StudyRow>
    seriesOf(study: string): Promise<SeriesRow[]>
    series(study: StudyUid, series: SeriesUid): SeriesRow | undefined
    /** As overlays show it; nothing when it is rejected. */
    instance(sop: string): InstanceRow | undefined
    /** The same, rejected or not, with its attributes as received. */
    receivedInstance(sop: string): InstanceRow | undefined
    instancesOf(study: string, series?: string): AsyncIterable<InstanceRow>
    /** A row by its key: overlays are looked up in more ways than have names here. */
    read(key: string): unknown
    overlays(): AsyncIterable<Overlay>
    /** Concatenated SHA-256 of the chunks of an instance. */
    chunks(sop: SopUid): Buffer | undefined
    changes(after: number, limit: number): Promise<{ position: number; study: StudyUid }[]>
    /** Studies that are not complete, with the time of their newest instance. */
    open(): AsyncIterable<{ study: StudyUid; lastReceivedAt: number }>
    entries(): AsyncIterable<EntryRow>
    quarantine(): Promise<QuarantineRow[]>
    quarantineChunks(entry: number): Buffer | undefined
    /** Number of the record that keeps these bytes of this instance in quarantine. */
    quarantined(sop: string, sha256: string): QuarantineRow | undefined
    /** Whether an instance's bytes were found altered. */
    isCorrupt(sop: string): boolean
    markCorrupt(sop: string, found: { at: number }): Promise<void>
    keys(range: keys.KeyRange): AsyncIterable<string>
    /** Keys of a range, many at a time, for the search. */
    keyPages(range: keys.KeyRange): AsyncIterable<string[]>
  }

/** Opens the catalog of a folder. A new one is empty; one of another format is made again. */
export async function openCatalog(
  folder: string,
  { log, node }: { log: Log; node: string },
): Promise<Catalog> {
  const { promise: failed, resolve: fail } = Promise.withResolvers<ProtocolError>()
  const distrust = async (error: ProtocolError): Promise<void> => {
    log.error({ err: error }, 'a row of the catalog was altered; the next start makes it again')
    try {
      await writeFile(markerOf(folder), '')
    } finally {
      fail(error)
    }
  }
  await using stack = new AsyncDisposableStack()
  const opened = stack.use(await openCurrent(folder, log, (error) => void distrust(error)))
  const { store, ...studyRows } = createStudyRowCache(
    createSearchKeyCache(createHoldingStore(opened)),
  )
  const builder = createRowBuilder(store, node)
  const positions = await readPositions(store)
  const numbers = await readBatchNumbers(store)
  const writer = stack.use(createCatalogWriter({ store, builder, positions, numbers, log }))
  const lists = createLists(store)
  const owned = stack.move()

  return {
    ...createReads(store, studyRows),
    ...lists,
    firstStudies: () => keepEach(lists.allStudies(), studyRows),
    ...createMending({ store, writer, builder, positions }),
    failed,
    distrust,
    positions: () => positions.all(),
    apply: (change) => writer.apply(change),
    follow: (change) => writer.follow(change),
    written: () => writer.written(),
    check: () => writer.check(),
    ledger: () => builder.ledger(),
    keys: (range) => store.keys(range),
    keyPages: (range) => store.keyPages(range),
    markCorrupt: (sop, found) =>
      store.write(new Map([[keys.corruptKey(sop), Buffer.from(JSON.stringify(found))]])),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** Beside the catalog of which it says that rows were altered. */
const markerOf = (folder: string): string => `${folder}.untrusted`

export const isTrusted = (folder: string): Promise<boolean> =>
  access(markerOf(folder)).then(
    () => false,
    () => true,
  )

/** Removes a catalog that cannot be trusted: the log has everything. */
export async function removeCatalog(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true })
  await rm(markerOf(folder), { force: true })
}

async function openCurrent(
  folder: string,
  log: Log,
  onAltered: (error: ProtocolError) => void,
): Promise<CatalogStore> {
  await using stack = new AsyncDisposableStack()
  const store = stack.use(await openCatalogStore(folder, onAltered))
  const found = store.get(keys.formatKey)?.toString()
  if (found === String(format)) {
    stack.move()
    return store
  }
  if (found !== undefined) {
    log.warn({ found, format }, 'the catalog has another format and is made again')
    await stack.disposeAsync()
    await removeCatalog(folder)
    return openCurrent(folder, log, onAltered)
  }
  await store.write(new Map([[keys.formatKey, Buffer.from(String(format))]]))
  stack.move()
  return store
}

/**
 * As overlays show it; `overlay` makes what is cached of it out of date when they change. Few studies have any: only of
 * those the series is read.
 */
function shown(
  row: InstanceRow,
  study: StudyRow | undefined,
  series: () => SeriesRow | undefined,
): InstanceRow {
  const number = study?.overlaySeq ?? 0
  if (number === 0 && study?.shown === undefined) return row
  return {
    ...row,
    attributes: shownAttributes(row, study, series()),
    ...(number > 0 && { overlay: number }),
  }
}

const jsonOf = (bytes: Buffer | undefined): unknown => bytes && JSON.parse(bytes.toString())

/** Rows that were read last, as long as their bytes are the same: parsing is most of a look-up. Nobody changes them. */
function createParsedInstances() {
  const kept = new Map<string, { bytes: Buffer; row: InstanceRow }>()
  return (uid: string, bytes: Buffer): InstanceRow => {
    const known = kept.get(uid)
    if (known?.bytes.equals(bytes) === true) return known.row
    const row = jsonOf(bytes) as InstanceRow
    kept.delete(uid)
    kept.set(uid, { bytes, row })
    if (kept.size > storageLimits.instanceRowsKeptMax) {
      const oldest = kept.keys().next().value
      if (oldest !== undefined) kept.delete(oldest)
    }
    return row
  }
}

function createReads(store: CatalogStore, { study, studies }: StudyRowCache) {
  const read = (key: string): unknown => jsonOf(store.get(key))
  const parsed = createParsedInstances()
  const receivedInstance = (uid: string): InstanceRow | undefined => {
    const found = sop(uid)
    const bytes = found && store.get(keys.instanceKey(found.study, found.series, uid))
    return bytes && parsed(uid, bytes)
  }
  const sop = (uid: string) => read(keys.sopKey(uid)) as SopRow | undefined
  const series = (study: string, uid: string) =>
    read(keys.seriesKey(study, uid)) as SeriesRow | undefined
  return {
    sop,
    read,
    study,
    studies,
    async seriesOf(study: string): Promise<SeriesRow[]> {
      const rows: SeriesRow[] = []
      for await (const [, row] of store.entries(keys.rangeOf('e', study))) {
        rows.push(jsonOf(row) as SeriesRow)
      }
      return rows
    },
    series,
    instance(uid: string): InstanceRow | undefined {
      const row = receivedInstance(uid)
      if (row === undefined || row.hidden === true) return undefined
      return shown(row, study(row.study), () => series(row.study, row.series))
    },
    receivedInstance,
    async *instancesOf(uid: string, only?: string): AsyncGenerator<InstanceRow> {
      const range = only === undefined ? keys.rangeOf('i', uid) : keys.rangeOf('i', uid, only)
      const of = study(uid)
      if (of === undefined) return
      const above = new Map<string, SeriesRow | undefined>()
      const seriesAbove = (one: string): SeriesRow | undefined => {
        if (!above.has(one)) above.set(one, series(uid, one))
        return above.get(one)
      }
      for await (const [, bytes] of store.entries(range)) {
        const row = jsonOf(bytes) as InstanceRow
        if (row.hidden === true) continue
        yield shown(row, of, () => seriesAbove(row.series))
      }
    },
    chunks: (uid: SopUid) => store.get(keys.chunksKey(uid)),
    quarantineChunks: (entry: number) => store.get(keys.quarantineChunksKey(entry)),
    quarantined(uid: string, sha256: string): QuarantineRow | undefined {
      const seq = read(keys.quarantinedKey(uid, sha256)) as number | undefined
      return seq === undefined
        ? undefined
        : (read(keys.quarantineKey(seq)) as QuarantineRow | undefined)
    },
    isCorrupt: (uid: string) => store.get(keys.corruptKey(uid)) !== undefined,
  }
}

async function* keepEach(
  rows: AsyncIterable<StudyRow>,
  { keep }: StudyRowCache,
): AsyncGenerator<StudyRow> {
  for await (const row of rows) {
    keep(row)
    yield row
  }
}

/** Rows that are read in order. */
function createLists(store: CatalogStore) {
  return {
    async *allStudies(): AsyncGenerator<StudyRow> {
      for await (const [, bytes] of store.entries(keys.rangeOf('s'))) {
        const row = jsonOf(bytes) as StudyRow
        if (isVisible(row)) yield row
      }
    },
    async changes(after: number, limit: number) {
      const found: { position: number; study: StudyUid }[] = []
      const { lt } = keys.rangeOf('h')
      for await (const key of store.keys({ gte: keys.changeKey(after + 1), lt })) {
        const position = keys.changeSeqOf(key)
        // Whoever goes on from a position must have had everything that has it.
        if (found.length >= limit && found.at(-1)?.position !== position) break
        found.push({ position, study: keys.lastPart(key) as StudyUid })
      }
      return found
    },
    async *open() {
      for await (const [key, row] of store.entries(keys.rangeOf('t'))) {
        const lastReceivedAt = jsonOf(row) as number
        yield { study: keys.lastPart(key) as StudyUid, lastReceivedAt }
      }
    },
    async *entries(): AsyncGenerator<EntryRow> {
      for await (const [, row] of store.entries(keys.rangeOf('n'))) {
        yield jsonOf(row) as EntryRow
      }
    },
    async quarantine(): Promise<QuarantineRow[]> {
      const rows: QuarantineRow[] = []
      for await (const [, row] of store.entries(keys.rangeOf('q'), { reverse: true })) {
        if (rows.length >= storageLimits.quarantineListMax) break
        const entry = jsonOf(row) as QuarantineRow
        if (entry.released === undefined) rows.push(entry)
      }
      return rows
    },
    /** Every overlay, newest first. */
    async *overlays(): AsyncGenerator<Overlay> {
      for await (const [, row] of store.entries(keys.rangeOf('ov'), { reverse: true })) {
        yield jsonOf(row) as Overlay
      }
    },
  }
}
