import { storageLimits } from '#protocol/limits.ts'
import type { KeyRange } from './catalog-keys.ts'
import type { CatalogStore } from './catalog-store.ts'

/**
 * A store that goes on showing what it could not write. While LevelDB takes nothing (a full disk) rows whose changes are
 * safe in the log are held in memory, over those of LevelDB, until it takes them.
 */
export type HoldingStore = CatalogStore & {
  /** Rows to be read from here from now on; `flush` writes them. */
  hold(rows: ReadonlyMap<string, Buffer | undefined>): void
  isHolding(): boolean
  /** Writes everything that is held, all or nothing. */
  flush(): Promise<void>
}

export function createHoldingStore(store: CatalogStore): HoldingStore {
  const held = new Map<string, Buffer | undefined>()

  /** In the order of LevelDB, by bytes; made anew when something is held or written. */
  let ordered: Held[] | undefined

  const inOrder = (): Held[] =>
    (ordered ??= [...held]
      .map(([key, value]) => ({ key, value, bytes: Buffer.from(key) }))
      .sort((a, b) => a.bytes.compare(b.bytes)))

  function heldIn(range: KeyRange): Held[] {
    if (held.size === 0) return []
    const [gte, lt] = [Buffer.from(range.gte), Buffer.from(range.lt)]
    return inOrder().filter(({ bytes }) => bytes.compare(gte) >= 0 && bytes.compare(lt) < 0)
  }

  async function* keysOver(over: readonly Held[], range: KeyRange): AsyncGenerator<string> {
    for await (const [key] of merged(withoutValues(store.keys(range)), over, false)) yield key
  }

  return {
    ...store,
    get: (key) => (held.size > 0 && held.has(key) ? held.get(key) : store.get(key)),
    entries(range, { reverse = false } = {}) {
      const over = heldIn(range)
      const stored = store.entries(range, { reverse })
      return over.length === 0 ? stored : merged(stored, reverse ? over.reverse() : over, reverse)
    },
    keys(range) {
      const over = heldIn(range)
      return over.length === 0 ? store.keys(range) : keysOver(over, range)
    },
    keyPages(range) {
      const over = heldIn(range)
      return over.length === 0 ? store.keyPages(range) : pagesOf(keysOver(over, range))
    },
    hold(rows) {
      for (const [key, value] of rows) held.set(key, value)
      ordered = undefined
    },
    isHolding: () => held.size > 0,
    // Each time that LevelDB is opened again what others read of it breaks off: not when this would not fit anyway.
    probe: (more = 0) => store.probe(more + bytesOf(held)),
    async flush() {
      const rows = new Map(held)
      await store.write(rows)
      for (const [key, value] of rows) if (held.get(key) === value) held.delete(key)
      ordered = undefined
    },
  }
}

function bytesOf(rows: ReadonlyMap<string, Buffer | undefined>): number {
  let bytes = 0
  for (const [key, value] of rows) bytes += key.length + (value?.byteLength ?? 0)
  return bytes
}

type Held = { key: string; value: Buffer | undefined; bytes: Buffer }

/** Two sequences in one order; where both have a key the held row counts, and one without a value was removed. */
async function* merged(
  stored: AsyncIterable<[string, Buffer]>,
  over: readonly Held[],
  isReverse: boolean,
): AsyncGenerator<[string, Buffer]> {
  let at = 0
  for await (const entry of stored) {
    const bytes = Buffer.from(entry[0])
    let isReplaced = false
    for (let next = over[at]; next !== undefined; next = over[at]) {
      const order = isReverse ? bytes.compare(next.bytes) : next.bytes.compare(bytes)
      if (order > 0) break
      isReplaced = order === 0
      at++
      if (next.value !== undefined) yield [next.key, next.value]
    }
    if (!isReplaced) yield entry
  }
  for (const { key, value } of over.slice(at)) if (value !== undefined) yield [key, value]
}

const noValue = Buffer.alloc(0)

async function* withoutValues(keys: AsyncIterable<string>): AsyncGenerator<[string, Buffer]> {
  for await (const key of keys) yield [key, noValue]
}

async function* pagesOf(keys: AsyncIterable<string>): AsyncGenerator<string[]> {
  let page: string[] = []
  for await (const key of keys) {
    page.push(key)
    if (page.length < storageLimits.searchPageKeys) continue
    yield page
    page = []
  }
  if (page.length > 0) yield page
}
