import { storageLimits } from '#protocol/limits.ts'
import * as keys from './catalog-keys.ts'
import { isVisible } from './catalog-rows.ts'
import type { StudyRow } from './catalog-rows.ts'
import type { HoldingStore } from './held-rows.ts'

/** Rows of studies, the ones that were asked for last kept as they were read. Nobody changes what is given. */
export type StudyRowCache = {
  study(uid: string): StudyRow | undefined
  /** Those that can be seen; a key is read without a wait, so that it is the newest. */
  studies(uids: readonly string[]): StudyRow[]
  /** Keeps a row, as long as there is room. Only while nobody writes: it could be older than what is there. */
  keep(row: StudyRow): void
}

/**
 * Checks, parses and keeps the rows of studies: a list shows the same ones again and again. Whoever writes must do so
 * through the store that is given back: what is written is no longer kept.
 */
export function createStudyRowCache(store: HoldingStore): StudyRowCache & { store: HoldingStore } {
  const kept = new Map<string, StudyRow>()

  function read(uid: string): StudyRow | undefined {
    const key = keys.studyKey(uid)
    const known = kept.get(key)
    if (known !== undefined) {
      // The one asked for last is the last to go.
      kept.delete(key)
      kept.set(key, known)
      return known
    }
    const bytes = store.get(key)
    if (bytes === undefined) return undefined
    const row = JSON.parse(bytes.toString()) as StudyRow
    if (!isVisible(row)) return undefined
    kept.set(key, row)
    if (kept.size > storageLimits.studyRowsKeptMax) {
      const oldest = kept.keys().next().value
      if (oldest !== undefined) kept.delete(oldest)
    }
    return row
  }

  return {
    study: read,
    keep(row) {
      if (kept.size < storageLimits.studyRowsKeptMax) kept.set(keys.studyKey(row.study), row)
    },
    studies: (uids) => uids.map(read).filter((row) => row !== undefined),
    store: {
      ...store,
      async write(rows, options) {
        try {
          await store.write(rows, options)
        } finally {
          for (const key of rows.keys()) kept.delete(key)
        }
      },
      hold(rows) {
        store.hold(rows)
        for (const key of rows.keys()) kept.delete(key)
      },
      async discard(key) {
        await store.discard(key)
        kept.delete(key.toString())
      },
      async reopen() {
        kept.clear()
        await store.reopen()
      },
    },
  }
}
