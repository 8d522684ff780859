import { setImmediate } from 'node:timers/promises'
import { storageLimits } from '#protocol/limits.ts'
import { rangeOf, searchKinds } from './catalog-keys.ts'
import type { KeyRange } from './catalog-keys.ts'
import type { HoldingStore } from './held-rows.ts'

/** Search keys of one kind, in no order; whole when all were read. */
type Kept = { keys: Set<string>; isWhole: boolean }

/**
 * Keeps the texts that studies are found by, once somebody has looked for a part of one: no order of keys helps with
 * `*part*`, every key must be looked at, and reading them costs twenty times the looking. What is written afterwards is
 * kept up with. An archive with more keys than the limit is read each time.
 */
export function createSearchKeyCache(store: HoldingStore): HoldingStore {
  const kept = new Map<string, Kept>()
  /** Keys that were removed while a set was being read. */
  const watching = new Map<Kept, Set<string>>()

  function note(key: string, isThere: boolean): void {
    if (!isThere) for (const removed of watching.values()) removed.add(key)
    const end = key.indexOf('\0')
    const known = end < 0 ? undefined : kept.get(key.slice(0, end))
    if (known === undefined) return
    if (isThere) known.keys.add(key)
    else known.keys.delete(key)
  }

  /** Reads as before, and keeps what was read when it was all. */
  async function* keeping(kind: string, range: KeyRange): AsyncGenerator<string[]> {
    const mine: Kept = { keys: new Set(), isWhole: false }
    // What is written meanwhile goes into the same set; what is removed meanwhile may still be read, and is left out.
    const removed = new Set<string>()
    watching.set(mine, removed)
    if (!kept.has(kind)) kept.set(kind, mine)
    try {
      for await (const page of store.keyPages(range)) {
        if (kept.get(kind) === mine) {
          for (const key of page) if (!removed.has(key)) mine.keys.add(key)
          if (mine.keys.size > storageLimits.searchKeysKeptMax) kept.delete(kind)
        }
        yield page
      }
      mine.isWhole = true
    } finally {
      watching.delete(mine)
      if (!mine.isWhole && kept.get(kind) === mine) kept.delete(kind)
    }
  }
  return {
    ...store,
    async *keyPages(range) {
      const kind = kindOf(range)
      if (kind === undefined) {
        yield* store.keyPages(range)
        return
      }
      const known = kept.get(kind)
      yield* known?.isWhole === true ? pagesOf([...known.keys]) : keeping(kind, range)
    },
    async write(rows, options) {
      await store.write(rows, options)
      for (const [key, value] of rows) note(key, value !== undefined)
    },
    hold(rows) {
      store.hold(rows)
      for (const [key, value] of rows) note(key, value !== undefined)
    },
    async discard(key) {
      kept.clear()
      await store.discard(key)
    },
    async reopen() {
      kept.clear()
      await store.reopen()
    },
  }
}

const ranges = new Map(
  [searchKinds.patient, searchKinds.accession, searchKinds.name].map((kind) => {
    const { gte, lt } = rangeOf(kind)
    return [gte, { kind, lt }]
  }),
)

/** The kind of which a range has all keys. */
function kindOf({ gte, lt }: KeyRange): string | undefined {
  const found = ranges.get(gte)
  return found?.lt === lt ? found.kind : undefined
}

/** Others have their turn between the pages. */
async function* pagesOf(all: readonly string[]): AsyncGenerator<string[]> {
  for (let at = 0; at < all.length; at += storageLimits.searchKeptPageKeys) {
    if (at > 0) await setImmediate()
    yield all.slice(at, at + storageLimits.searchKeptPageKeys)
  }
}
