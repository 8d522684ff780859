import { ProtocolError } from '#protocol/errors.ts'
import { storageLimits } from '#protocol/limits.ts'
import type { Log } from '../log.ts'
import type { RowBuilder } from './catalog-apply.ts'
import type { BatchNumbers } from './batch-numbers.ts'
import type { Change } from './catalog-rows.ts'
import type { CatalogStore } from './catalog-store.ts'
import type { LogPositions } from './log-positions.ts'

/** The only one that writes changes: all that wait go into one batch. */
export type CatalogWriter = AsyncDisposable & {
  apply(change: Change): Promise<void>
  check(): Promise<void>
  /** Runs between two batches; changes wait meanwhile. Refused while there is a backlog. */
  exclusive<T>(task: () => Promise<T>): Promise<T>
}

type Waiting = { change: Change; resolve: () => void }
export type WriterParts = {
  store: CatalogStore
  builder: RowBuilder
  positions: LogPositions
  numbers: BatchNumbers
  log: Log
}

export function createCatalogWriter(parts: WriterParts): CatalogWriter {
  let queue: Waiting[] = []
  let running: Promise<void> | undefined
  let isBehind = false
  const recovery = createRecovery(parts, async () => {
    await idle()
    await parts.store.reopen()
    running = run()
    await running
    return !isBehind
  })

  async function idle(): Promise<void> {
    for (let task = running; task !== undefined; task = running) await task
  }

  async function run(): Promise<void> {
    // Whoever asks within this turn of the event loop goes into the same batch.
    await Promise.resolve()
    while (queue.length > 0) {
      const batch = queue.slice(0, storageLimits.catalogBatchMax)
      try {
        await writeBatch(parts, batch)
      } catch (error) {
        fallBehind(error)
        break
      }
      queue = queue.slice(batch.length)
      for (const { resolve } of batch) resolve()
    }
    isBehind &&= queue.length > 0
    running = undefined
  }

  /** The changes are safe in the log: nobody waits for the catalog, and nobody new is let in. */
  function fallBehind(error: unknown): void {
    if (!isBehind) parts.log.error({ err: error }, 'the catalog takes no writes; the log is ahead')
    isBehind = true
    parts.builder.forget()
    for (const { resolve } of queue) resolve()
    recovery.start()
  }

  return {
    apply: (change) =>
      new Promise((resolve) => {
        queue.push({ change, resolve })
        if (isBehind) resolve()
        else running ??= run()
      }),
    async check() {
      if (isBehind) throw new ProtocolError('storage_full', 'the catalog takes no writes')
    },
    async exclusive(task) {
      await idle()
      if (isBehind) throw new ProtocolError('storage_full', 'the catalog takes no writes')
      const result = task()
      const goOn = () => {
        running = queue.length > 0 ? run() : undefined
      }
      running = result.then(goOn, goOn)
      return await result
    },
    async [Symbol.asyncDispose]() {
      await recovery[Symbol.asyncDispose]()
      await idle()
    },
  }
}

/**
 * LevelDB refuses everything after a failed write until it is opened again, but goes on reading: so it is opened again
 * only when the disk takes bytes, and then by itself, whether or not anybody asks.
 */
function createRecovery({ store, log }: WriterParts, reopen: () => Promise<boolean>) {
  let timer: NodeJS.Timeout | undefined
  let trying: Promise<void> | undefined
  let isClosed = false

  async function attempt(): Promise<void> {
    try {
      await store.probe()
      if (await reopen()) {
        log.warn({}, 'the catalog has caught up with the log')
        return
      }
    } catch (error) {
      log.debug({ err: error }, 'the catalog still takes no writes')
    }
    start()
  }

  function start(): void {
    if (isClosed || timer !== undefined) return
    timer = setTimeout(() => {
      timer = undefined
      trying = attempt()
    }, storageLimits.catalogRetryMs)
  }

  return {
    start,
    async [Symbol.asyncDispose]() {
      isClosed = true
      clearTimeout(timer)
      await trying
    },
  }
}

async function writeBatch(
  { store, builder, positions, numbers }: WriterParts,
  batch: readonly Waiting[],
): Promise<void> {
  const rows = await builder.build(batch.map(({ change }) => change))
  const spans = batch.map(({ change }) => change.span)
  for (const span of spans) positions.advance(span)
  for (const [key, row] of positions.rows(spans)) rows.set(key, row)
  const [key, row] = numbers.next()
  rows.set(key, row)
  await store.write(rows)
  numbers.taken()
}
