import { ProtocolError } from '#protocol/errors.ts'
import * as keys from './catalog-keys.ts'
import type { CatalogStore } from './catalog-store.ts'

/**
 * The newest batches leave their numbers in the catalog. LevelDB drops what it cannot read in its write-ahead log and
 * goes on behind it in silence; then a number is missing between others.
 */
export type BatchNumbers = {
  /** The row of the batch that is being made. */
  next(): [string, Buffer]
  /** It was written. */
  taken(): void
}

/** More batches than fit into a write-ahead log: older ones are in tables, whose loss LevelDB itself notices. */
const window = 8192

/** Throws `storage_corrupt` when a batch was lost. */
export async function readBatchNumbers(store: CatalogStore): Promise<BatchNumbers> {
  let count = 0
  let newest = 0
  let oldest = Infinity
  for await (const [, row] of store.entries(keys.rangeOf('w'))) {
    const number = Number(row.toString())
    count++
    newest = Math.max(newest, number)
    oldest = Math.min(oldest, number)
  }
  if (count !== Math.min(newest, window) || (count > 0 && newest - oldest !== count - 1)) {
    throw new ProtocolError('storage_corrupt', 'a batch of the catalog is missing')
  }
  let next = newest + 1
  return {
    next: () => [keys.batchKey(next % window), Buffer.from(String(next))],
    taken: () => void next++,
  }
}
