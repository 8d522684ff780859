import { ProtocolError } from '#protocol/errors.ts'
import { storageLimits } from '#protocol/limits.ts'
import type { Log } from '../log.ts'
import type { RowBuilder } from './catalog-apply.ts'
import type { BatchNumbers } from './batch-numbers.ts'
import type { Change } from './catalog-rows.ts'
import type { HoldingStore } from './held-rows.ts'
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
  store: HoldingStore
  builder: RowBuilder
  positions: LogPositions
  numbers: BatchNumbers
  log: Log
}

export function createCatalogWriter(parts: WriterParts): CatalogWriter {
  const batches = createBatches(parts, () => recovery.start())
  const recovery = createRecovery(parts, batches)
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
  /** No rows can be made of what waits: LevelDB is closed, or a row was altered. */
  let isStuck = false
  /** Somebody waits, or there is enough for a batch. */
  let isUrgent = false
  const linger = createLinger(() => wake(true))
  const turn = createTurn(() => {
    if (!isStuck && queue.length > 0) wake(isUrgent)
  })
  const isBehind = (): boolean => isStuck || parts.store.isHolding()

  async function run(): Promise<void> {
    // Whoever asks within this turn of the event loop goes into the same batch.
    await Promise.resolve()
    while (isUrgent && queue.length > 0) {
      const batch = queue.slice(0, storageLimits.catalogBatchMax)
      isUrgent = queue.length > batch.length
      try {
        await takeBatch(parts, batch)
      } catch (error) {
        stick(error)
        break
      }
      isStuck = false
      queue = queue.slice(batch.length)
      for (const { resolve } of batch) resolve()
      if (isBehind()) onBehind()
    }
    isUrgent &&= queue.length > 0
  }

  /** The changes are safe in the log: nobody waits for the catalog, and nobody new is let in. */
  function stick(error: unknown): void {
    if (!isStuck) parts.log.error({ err: error }, 'the catalog cannot be read; the log is ahead')
    isStuck = true
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
    isBehind,
    idle: turn.idle,
    /** Nothing is written before the task has ended. */
    block: turn.takeNext,
    add: (change: Change, isWaitedFor: boolean): Promise<void> =>
      new Promise((resolve) => {
        queue.push({ change, resolve })
        // It goes with what is stuck, and nobody waits for that.
        if (isStuck) resolve()
        else wake(isWaitedFor)
      }),
    async written(): Promise<void> {
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
    async takeNext<T>(task: () => Promise<T>, check?: () => void): Promise<T> {
      // Of all who wait for one end the first to hear of it begins the next: the others wait again.
      while (isTaken()) await idle()
      check?.()
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
function createRecovery({ store, log }: WriterParts, batches: ReturnType<typeof createBatches>) {
  let timer: NodeJS.Timeout | undefined
  let trying: Promise<void> | undefined
  let isClosed = false

  async function attempt(): Promise<void> {
    try {
      await store.probe()
      await batches.block(async () => {
        await store.reopen()
        await store.flush()
      })
      await batches.written()
    } catch (error) {
      log.debug({ err: error }, 'the catalog still takes no writes')
    }
    trying = undefined
    if (batches.isBehind()) start()
    else log.warn({}, 'the catalog has caught up with the log')
  }

  function start(): void {
    if (isClosed || timer !== undefined || trying !== undefined) return
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

/** Makes the rows of a batch and writes them; those that LevelDB refuses are read from memory until it takes them. */
async function takeBatch(
  { store, builder, positions, numbers, log }: WriterParts,
  batch: readonly Waiting[],
): Promise<void> {
  const rows = await builder.build(batch.map(({ change }) => change))
  const spans = batch.map(({ change }) => change.span)
  for (const span of spans) positions.advance(span)
  for (const [key, row] of positions.rows(spans)) rows.set(key, row)
  const [key, row] = numbers.next()
  rows.set(key, row)
  numbers.taken()
  // After a failed write LevelDB takes nothing before it is opened again.
  if (store.isHolding()) return store.hold(rows)
  try {
    await store.write(rows)
  } catch (error) {
    log.error({ err: error }, 'the catalog takes no writes; the log is ahead')
    store.hold(rows)
  }
}
