/**
 * What the registry keeps, as ordered rows of text. The interface is narrow on purpose: an embedded LevelDB carries it
 * today, a distributed SQL engine (one table: key, value, digest) can carry it tomorrow, behind the same suite.
 */
export type Row = { key: string; value: string }
export type Write = { put: string; value: string } | { del: string }

export type Store = AsyncDisposable & {
  /** Throws `storage_corrupt` rather than return a value that is not the one that was written. */
  get(key: string): Promise<string | undefined>
  /** Rows under `prefix` whose key is greater than `after`, in ascending order, at most `limit`. */
  list(prefix: string, page: { after?: string; limit: number }): Promise<Row[]>
  /** The row with the greatest key under `prefix`. */
  last(prefix: string): Promise<Row | undefined>
  /** All or nothing, and on disk before it resolves. Later writes of one key win. */
  write(batch: readonly Write[]): Promise<void>
}

/** Keys are printable ASCII, so that every engine orders them alike. */
export const isStoreKey = (key: string): boolean => /^[\x21-\x7d]{1,512}$/.test(key)
