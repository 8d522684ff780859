import type { LogEntry } from '#protocol/transparency/entries.ts'
import type { Sha256 } from '#protocol/ids.ts'
import type { Store, Write } from '../store/store.ts'

/** An entry before it has its time. */
export type NewEntry = LogEntry extends infer E
  ? E extends LogEntry
    ? Omit<E, 'at'>
    : never
  : never

/** So many entries, this root; what an epoch says of the log. */
export type LogHead = { size: number; root: Sha256 }

/**
 * Writes a change of state and what the transparency log says of it: both or neither. Entries that say nothing new are
 * left out.
 */
export type Journal = {
  write(
    entries: readonly NewEntry[],
    writes: readonly Write[] | ((head: LogHead | undefined) => Promise<Write[]>),
  ): Promise<void>
}

/** For a registry that keeps no log. */
export const journalWithoutLog = (store: Pick<Store, 'write'>): Journal => ({
  async write(_, writes) {
    await store.write(typeof writes === 'function' ? await writes(undefined) : writes)
  },
})
