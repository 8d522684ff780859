import { rm } from 'node:fs/promises'
import { ProtocolError } from '#protocol/errors.ts'
import type { SeriesUid, SopUid, StudyUid } from '#protocol/ids.ts'
import { storageLimits } from '#protocol/limits.ts'
import type { Log } from '../log.ts'
import { createRowBuilder } from './catalog-apply.ts'
import * as keys from './catalog-keys.ts'
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
import type { LogPosition } from './log-start.ts'

const format = 1

/** Everything that is searched or pointed at, in LevelDB; whatever it holds can be made again from the value log. */
export type Catalog = AsyncDisposable & {
  positions(): ReadonlyMap<number, LogPosition>
  /**
   * Takes a change in, together with others that wait. It resolves also when LevelDB refuses: the change is safe in
   * the log and stays in a backlog, and `check` refuses new ones until LevelDB takes it.
   */
  apply(change: Change): Promise<void>
  /** Throws `storage_full` while there is a backlog; tries to write it first. */
  check(): Promise<void>
  ledger(): Ledger
  study(study: string): StudyRow | undefined
  sop(sop: string): SopRow | undefined
  studies(uids: readonly string[]): Promise<StudyRow[]>
  seriesOf(study: string): Promise<SeriesRow[]>
  series(study: StudyUid, series: SeriesUid): SeriesRow | undefined
  instance(sop: string): InstanceRow | undefined
  instancesOf(study: string, series?: string): AsyncIterable<InstanceRow>
  /** Concatenated SHA-256 of the chunks of an instance. */
  chunks(sop: SopUid): Buffer | undefined
  changes(after: number, limit: number): Promise<{ position: number; study: StudyUid }[]>
  /** Studies that are not complete, with the time of their newest instance. */
  open(): AsyncIterable<{ study: StudyUid; lastReceivedAt: number }>
  entries(): AsyncIterable<EntryRow>
  quarantine(): Promise<QuarantineRow[]>
  /** Number of the record that keeps these bytes of this instance in quarantine. */
  quarantined(sop: string, sha256: string): QuarantineRow | undefined
  /** Whether an instance's bytes were found altered. */
  isCorrupt(sop: string): boolean
  markCorrupt(sop: string, found: { at: number }): Promise<void>
  /** Keys of a range, for the search. */
  keys(range: keys.KeyRange): AsyncIterable<string>
}

type Waiting = { change: Change; resolve: () => void }
type Position = LogPosition & { ahead: Map<number, LogPosition> }

/** Opens the catalog of a folder. A new one is empty; one of another format is made again. */
export async function openCatalog(folder: string, log: Log): Promise<Catalog> {
  const store = await openCurrent(folder, log)
  const builder = createRowBuilder(store)
  const positions = await readPositions(store)
  const writer = createWriter({ store, builder, positions, log })
  const readJson = <T>(key: string): T | undefined => {
    const bytes = store.get(key)
    return bytes && (JSON.parse(bytes.toString()) as T)
  }

  return {
    ...createReads(store, readJson),
    positions: () => positions,
    apply: writer.apply,
    check: writer.check,
    ledger: () => builder.ledger(),
    study: (study) => readJson<StudyRow>(keys.studyKey(study)),
    keys: (range) => store.keys(range),
    markCorrupt: (sop, found) =>
      store.write(new Map([[keys.corruptKey(sop), Buffer.from(JSON.stringify(found))]])),
    async [Symbol.asyncDispose]() {
      await writer.idle()
      await store[Symbol.asyncDispose]()
    },
  }
}

/** Removes a catalog that cannot be trusted: the log has everything. */
export const removeCatalog = (folder: string): Promise<void> =>
  rm(folder, { recursive: true, force: true })

async function openCurrent(folder: string, log: Log): Promise<CatalogStore> {
  const store = await openCatalogStore(folder)
  const found = store.get(keys.formatKey)?.toString()
  if (found === String(format)) return store
  if (found !== undefined) {
    log.warn({ found, format }, 'the catalog has another format and is made again')
    await store[Symbol.asyncDispose]()
    await removeCatalog(folder)
    return openCurrent(folder, log)
  }
  await store.write(new Map([[keys.formatKey, Buffer.from(String(format))]]))
  return store
}

async function readPositions(store: CatalogStore): Promise<Map<number, Position>> {
  const positions = new Map<number, Position>()
  for await (const [key, bytes] of store.entries(keys.rangeOf('p'))) {
    const { offset, chain } = JSON.parse(bytes.toString()) as { offset: number; chain: string }
    const position = { offset, chain: Buffer.from(chain, 'hex'), ahead: new Map() }
    positions.set(Number(keys.lastPart(key)), position)
  }
  return positions
}

type WriterParts = {
  store: CatalogStore
  builder: ReturnType<typeof createRowBuilder>
  positions: Map<number, Position>
  log: Log
}

function createWriter({ store, builder, positions, log }: WriterParts) {
  let queue: Waiting[] = []
  let running: Promise<void> | undefined
  let isBehind = false
  let triedAt = -Infinity

  /** A position moves only over records that lie end to end: what a crash leaves out is replayed. */
  function advance({ segment, start, end, chain }: Change['span']): void {
    let position = positions.get(segment)
    if (position === undefined) {
      position = { offset: 0, chain: Buffer.alloc(0), ahead: new Map() }
      positions.set(segment, position)
    }
    // Already counted when its batch is tried again.
    if (start < position.offset) return
    position.ahead.set(start, { offset: end, chain })
    let next = position.ahead.get(position.offset)
    while (next !== undefined) {
      position.ahead.delete(position.offset)
      position.offset = next.offset
      position.chain = next.chain
      next = position.ahead.get(position.offset)
    }
  }

  async function writeBatch(batch: readonly Waiting[]): Promise<void> {
    const rows = builder.build(batch.map(({ change }) => change))
    for (const { change } of batch) advance(change.span)
    for (const segment of new Set(batch.map(({ change }) => change.span.segment))) {
      const { offset, chain } = positions.get(segment) ?? { offset: 0, chain: Buffer.alloc(0) }
      if (offset === 0) continue
      const row = { offset, chain: chain.toString('hex') }
      rows.set(keys.positionKey(segment), Buffer.from(JSON.stringify(row)))
    }
    await store.write(rows)
  }

  async function run(): Promise<void> {
    await Promise.resolve()
    while (queue.length > 0) {
      const batch = queue.slice(0, storageLimits.catalogBatchMax)
      try {
        await writeBatch(batch)
        isBehind = false
        queue = queue.slice(batch.length)
        for (const { resolve } of batch) resolve()
      } catch (error) {
        if (!isBehind)
          log.error({ err: error }, 'the catalog takes no writes; the log is ahead of it')
        isBehind = true
        builder.forget()
        break
      }
    }
    if (isBehind) for (const { resolve } of queue) resolve()
    running = undefined
  }

  async function retry(): Promise<void> {
    await running
    try {
      await store.reopen()
    } catch (cause) {
      throw new ProtocolError('storage_full', 'the catalog does not open', { cause })
    }
    isBehind = false
    running ??= run()
    await running
  }

  return {
    apply(change: Change): Promise<void> {
      return new Promise((resolve) => {
        queue.push({ change, resolve })
        if (isBehind) resolve()
        else running ??= run()
      })
    },
    async check(): Promise<void> {
      if (isBehind && performance.now() - triedAt > storageLimits.catalogRetryMs) {
        triedAt = performance.now()
        await retry()
      }
      if (isBehind) throw new ProtocolError('storage_full', 'the catalog takes no writes')
    },
    async idle(): Promise<void> {
      await running
    },
  }
}

type ReadJson = <T>(key: string) => T | undefined

function createReads(store: CatalogStore, readJson: ReadJson) {
  const sop = (uid: string) => readJson<SopRow>(keys.sopKey(uid))
  return {
    sop,
    async studies(uids: readonly string[]): Promise<StudyRow[]> {
      const rows = await store.getMany(uids.map(keys.studyKey))
      return rows.flatMap((row) => (row ? [JSON.parse(row.toString()) as StudyRow] : []))
    },
    async seriesOf(study: string): Promise<SeriesRow[]> {
      const rows: SeriesRow[] = []
      for await (const [, row] of store.entries(keys.rangeOf('e', study))) {
        rows.push(JSON.parse(row.toString()) as SeriesRow)
      }
      return rows
    },
    series: (study: StudyUid, series: SeriesUid) =>
      readJson<SeriesRow>(keys.seriesKey(study, series)),
    instance(uid: string): InstanceRow | undefined {
      const found = sop(uid)
      return found && readJson<InstanceRow>(keys.instanceKey(found.study, found.series, uid))
    },
    async *instancesOf(study: string, series?: string): AsyncGenerator<InstanceRow> {
      const range =
        series === undefined ? keys.rangeOf('i', study) : keys.rangeOf('i', study, series)
      for await (const [, row] of store.entries(range)) {
        yield JSON.parse(row.toString()) as InstanceRow
      }
    },
    chunks: (uid: SopUid) => store.get(keys.chunksKey(uid)),
    async changes(after: number, limit: number) {
      const found: { position: number; study: StudyUid }[] = []
      const { lt } = keys.rangeOf('h')
      for await (const [key, row] of store.entries({ gte: keys.changeKey(after + 1), lt })) {
        if (found.length >= limit) break
        const study = JSON.parse(row.toString()) as StudyUid
        found.push({ position: Number(keys.lastPart(key)), study })
      }
      return found
    },
    async *open() {
      for await (const [key, row] of store.entries(keys.rangeOf('t'))) {
        const lastReceivedAt = JSON.parse(row.toString()) as number
        yield { study: keys.lastPart(key) as StudyUid, lastReceivedAt }
      }
    },
    async *entries(): AsyncGenerator<EntryRow> {
      for await (const [, row] of store.entries(keys.rangeOf('n'))) {
        yield JSON.parse(row.toString()) as EntryRow
      }
    },
    async quarantine(): Promise<QuarantineRow[]> {
      const rows: QuarantineRow[] = []
      for await (const [, row] of store.entries(keys.rangeOf('q'), { reverse: true })) {
        if (rows.length >= storageLimits.quarantineListMax) break
        rows.push(JSON.parse(row.toString()) as QuarantineRow)
      }
      return rows
    },
    quarantined(uid: string, sha256: string): QuarantineRow | undefined {
      const seq = readJson<number>(keys.quarantinedKey(uid, sha256))
      return seq === undefined ? undefined : readJson<QuarantineRow>(keys.quarantineKey(seq))
    },
    isCorrupt: (uid: string) => store.get(keys.corruptKey(uid)) !== undefined,
  }
}
