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
  /** The same when nobody waits for it: it goes with the next batch that somebody waits for, or soon. */
  follow(change: Change): Promise<void>
  /** Resolves when everything is written that was given before. */
  written(): Promise<void>
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
  const batches = createBatches(parts, () => recovery.start())
  const recovery = createRecovery(parts, async () => {
    await batches.idle()
    await parts.store.reopen()
    await batches.retry()
    return !batches.isBehind()
  })
  function check(): void {
    if (batches.isBehind()) throw new ProtocolError('storage_full', 'the catalog takes no writes')
  }
  return {
    apply: (change) => batches.add(change, true),
    follow: (change) => batches.add(change, false),
    written: batches.written,
    check: async () => check(),
    async exclusive(task) {
      await batches.written()
      return await batches.block(task, check)
    },
    async [Symbol.asyncDispose]() {
      await recovery[Symbol.asyncDispose]()
      await batches.written()
      await batches.idle()
    },
  }
}

/** Changes that wait, and the one batch that is being written. */
function createBatches(parts: WriterParts, onBehind: () => void) {
  let queue: Waiting[] = []
  let isBehind = false
  /** Somebody waits, or there is enough for a batch. */
  let isUrgent = false
  const linger = createLinger(() => wake(true))
  const turn = createTurn(() => {
    if (!isBehind && queue.length > 0) wake(isUrgent)
  })

  async function run(): Promise<void> {
    // Whoever asks within this turn of the event loop goes into the same batch.
    await Promise.resolve()
    while ((isUrgent || isBehind) && queue.length > 0) {
      const batch = queue.slice(0, storageLimits.catalogBatchMax)
      isUrgent = queue.length > batch.length
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
    isUrgent &&= queue.length > 0
  }

  /** The changes are safe in the log: nobody waits for the catalog, and nobody new is let in. */
  function fallBehind(error: unknown): void {
    if (!isBehind) parts.log.error({ err: error }, 'the catalog takes no writes; the log is ahead')
    isBehind = true
    parts.builder.forget()
    for (const { resolve } of queue) resolve()
    onBehind()
  }

  function wake(isWaitedFor: boolean): void {
    isUrgent ||= isWaitedFor || queue.length >= storageLimits.catalogBatchMax
    if (turn.isTaken()) return
    if (!isUrgent) return linger.begin()
    linger.end()
    void turn.take(run)
  }

  return {
    isBehind: () => isBehind,
    idle: turn.idle,
    /** Tries again what could not be written. */
    retry: (): Promise<void> => turn.take(run),
    /** Nothing is written before the task has ended. */
    block: turn.takeNext,
    add: (change: Change, isWaitedFor: boolean): Promise<void> =>
      new Promise((resolve) => {
        queue.push({ change, resolve })
        if (isBehind) resolve()
        else wake(isWaitedFor)
      }),
    async written(): Promise<void> {
      if (isBehind) return
      if (queue.length > 0) wake(true)
      await turn.idle()
    },
  }
}

/** One task at a time; whoever begins one has seen that there is none. */
function createTurn(onEnd: () => void) {
  let running: Promise<void> | undefined
  const isTaken = (): boolean => running !== undefined

  async function idle(): Promise<void> {
    for (let task = running; task !== undefined; task = running) await task
  }

  function take<T>(task: () => Promise<T>): Promise<T> {
    const result = task()
    const end = () => {
      running = undefined
      onEnd()
    }
    running = result.then(end, end)
    return result
  }

  return {
    isTaken,
    idle,
    take,
    /** When nothing runs any more; `check` throws when it may not begin then. */
    async takeNext<T>(task: () => Promise<T>, check: () => void): Promise<T> {
      // Of all who wait for one end the first to hear of it begins the next: the others wait again.
      while (isTaken()) await idle()
      check()
      return await take(task)
    },
  }
}

/** The time in which a change waits for others. */
function createLinger(isOver: () => void) {
  let timer: NodeJS.Timeout | undefined
  const end = (): void => {
    clearTimeout(timer)
    timer = undefined
  }
  return {
    begin() {
      timer ??= setTimeout(() => {
        end()
        isOver()
      }, storageLimits.catalogLingerMs)
    },
    end,
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
