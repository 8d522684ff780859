import { setTimeout as pause } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { ProtocolError } from '#protocol/errors.ts'
import { storageLimits } from '#protocol/limits.ts'
import type { RowBuilder } from './catalog-apply.ts'
import * as keys from './catalog-keys.ts'
import type { KeyRange } from './catalog-keys.ts'
import type { CatalogStore, StoredRow } from './catalog-store.ts'
import type { CatalogWriter } from './catalog-writer.ts'
import type { LogPositions } from './log-positions.ts'
import type { LogPosition } from './log-start.ts'

/** A row that is not what the log says. `undefined`: there is none, or (found) it was altered. */
export type Difference = {
  key: string
  found: Buffer | undefined
  expected: Buffer | undefined
}

/** What whoever repairs a catalog needs beyond what readers do. Nothing here stops at an altered row. */
export type Mending = {
  /** All rows at one moment, and how far the log is in them at that moment. */
  snapshot(): Promise<CatalogSnapshot>
  /** Rows as they are now. */
  rows(range?: KeyRange): AsyncIterable<StoredRow>
  inspect(key: string): Buffer | 'altered' | undefined
  /** Puts rows right that have not changed since they were found; says how many. */
  mend(differences: readonly Difference[]): Promise<number>
  /** Removes altered rows under whatever key they have come to. */
  discard(altered: readonly Buffer[]): Promise<void>
  /** A segment is about to be removed: durable when it resolves, with everything written before. */
  forgetSegment(segment: number): Promise<void>
}
export type CatalogSnapshot = {
  positions: ReadonlyMap<number, LogPosition>
  rows: AsyncIterable<StoredRow>
}

type MendingParts = {
  store: CatalogStore
  writer: CatalogWriter
  builder: RowBuilder
  positions: LogPositions
}

export function createMending({ store, writer, builder, positions }: MendingParts): Mending {
  /** Between batches something may be in the catalog whose predecessor in the log is not: then it is not even. */
  async function trySnapshot(): Promise<CatalogSnapshot | undefined> {
    return await writer.exclusive(async () => {
      if (!positions.isEven()) return undefined
      const copies = [...positions.all()].map(
        ([segment, { offset, chain }]) => [segment, { offset, chain }] as const,
      )
      return { positions: new Map(copies), rows: store.rows() }
    })
  }

  return {
    async snapshot() {
      for (let i = 0; i < storageLimits.snapshotTriesMax; i++) {
        const snapshot = await trySnapshot()
        if (snapshot !== undefined) return snapshot
        await pause(10)
      }
      throw new ProtocolError('unavailable', 'the archive is never at rest')
    },
    rows: (range) => store.rows(range),
    inspect: (key) => store.inspect(key),
    mend: (differences) =>
      writer.exclusive(async () => {
        const rows = new Map<string, Buffer | undefined>()
        for (const { key, found, expected } of differences) {
          const now = store.inspect(key)
          const isMissing = now === undefined || now === 'altered'
          if (isMissing ? found === undefined : found?.equals(now) === true) rows.set(key, expected)
        }
        await store.write(rows)
        builder.forget()
        return rows.size
      }),
    discard: (altered) =>
      writer.exclusive(async () => {
        for (const key of altered) {
          // Mended meanwhile under the same key.
          const now = store.inspect(key.toString())
          if (now === undefined || now === 'altered') await store.discard(key)
        }
      }),
    forgetSegment: (segment) =>
      writer.exclusive(async () => {
        await store.write(new Map([[keys.positionKey(segment), undefined]]), { sync: true })
        positions.forget(segment)
      }),
  }
}

/**
 * Rows of two catalogs that differ. Both come in the order of their keys, except where keys were altered: so what
 * seems to be missing is looked up before it is believed.
 */
export async function* differencesOf(
  found: Pick<CatalogSnapshot, 'rows'> & Pick<Mending, 'inspect'>,
  expected: Pick<Mending, 'rows' | 'inspect'>,
): AsyncGenerator<Difference | { altered: Buffer }> {
  const [a, b] = [iterate(found.rows), iterate(expected.rows())]
  let [left, right] = [await a.next(), await b.next()]
  while (left.done !== true || right.done !== true) {
    if (left.done !== true && left.value.value === undefined) {
      yield { altered: left.value.key }
      left = await a.next()
      continue
    }
    const order = compare(left, right)
    const row = order <= 0 ? left.value : right.value
    const key = row?.key.toString() ?? ''
    const one = order <= 0 ? left.value?.value : wholeOf(found.inspect(key))
    const other = order >= 0 ? right.value?.value : wholeOf(expected.inspect(key))
    if (!same(one, other)) yield { key, found: one, expected: other }
    if (order <= 0) left = await a.next()
    if (order >= 0) right = await b.next()
  }
}

const iterate = (rows: AsyncIterable<StoredRow>): AsyncIterator<StoredRow, undefined> =>
  rows[Symbol.asyncIterator]()

const wholeOf = (row: Buffer | 'altered' | undefined): Buffer | undefined =>
  row === 'altered' ? undefined : row

type Next = IteratorResult<StoredRow, undefined>

/** Negative when the left one's key comes first. LevelDB orders by bytes. */
function compare(left: Next, right: Next): number {
  if (left.done === true) return 1
  if (right.done === true) return -1
  return Buffer.compare(left.value.key, right.value.key)
}

/** The order of an object's fields depends on whether it came from the wire or from the log. */
function same(a: Buffer | undefined, b: Buffer | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  if (a.equals(b)) return true
  try {
    return isDeepStrictEqual(JSON.parse(a.toString()), JSON.parse(b.toString()))
  } catch {
    return false
  }
}
