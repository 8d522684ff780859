import { ProtocolError } from '#protocol/errors.ts'
import { storageLimits } from '#protocol/limits.ts'
import type { Log } from '../log.ts'
import type { RowBuilder } from './catalog-apply.ts'
import type { Change } from './catalog-rows.ts'
import type { CatalogStore } from './catalog-store.ts'
import type { LogPositions } from './log-positions.ts'

/** The only one that writes changes: all that wait go into one batch. */
export type CatalogWriter = {
  apply(change: Change): Promise<void>
  check(): Promise<void>
  idle(): Promise<void>
}

type Waiting = { change: Change; resolve: () => void }
type WriterParts = {
  store: CatalogStore
  builder: RowBuilder
  positions: LogPositions
  log: Log
}

export function createCatalogWriter(parts: WriterParts): CatalogWriter {
  const { store, builder, log } = parts
  let queue: Waiting[] = []
  let running: Promise<void> | undefined
  let isBehind = false
  let triedAt = -Infinity

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
      isBehind = false
      queue = queue.slice(batch.length)
      for (const { resolve } of batch) resolve()
    }
    running = undefined
  }

  /** The changes are safe in the log: nobody waits for the catalog, and nobody new is let in. */
  function fallBehind(error: unknown): void {
    if (!isBehind) log.error({ err: error }, 'the catalog takes no writes; the log is ahead of it')
    isBehind = true
    builder.forget()
    for (const { resolve } of queue) resolve()
  }

  async function retry(): Promise<void> {
    await running
    try {
      await store.reopen()
    } catch (cause) {
      throw new ProtocolError('storage_full', 'the catalog does not open', { cause })
    }
    running ??= run()
    await running
    if (!isBehind) log.warn({}, 'the catalog has caught up with the log')
  }

  return {
    apply(change) {
      return new Promise((resolve) => {
        queue.push({ change, resolve })
        if (isBehind) resolve()
        else running ??= run()
      })
    },
    async check() {
      if (isBehind && performance.now() - triedAt > storageLimits.catalogRetryMs) {
        triedAt = performance.now()
        await retry()
      }
      if (isBehind) throw new ProtocolError('storage_full', 'the catalog takes no writes')
    },
    async idle() {
      await running
    },
  }
}

async function writeBatch(
  { store, builder, positions }: WriterParts,
  batch: readonly Waiting[],
): Promise<void> {
  const rows = await builder.build(batch.map(({ change }) => change))
  const spans = batch.map(({ change }) => change.span)
  for (const span of spans) positions.advance(span)
  for (const [key, row] of positions.rows(spans)) rows.set(key, row)
  await store.write(rows)
}
