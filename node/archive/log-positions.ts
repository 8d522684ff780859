import * as keys from './catalog-keys.ts'
import type { CatalogStore } from './catalog-store.ts'
import { noChain } from './log-record.ts'
import type { LogPosition, LogSpan } from './log-start.ts'

/** How far each segment of the log is in the catalog. */
export type LogPositions = {
  all(): ReadonlyMap<number, LogPosition>
  /** A span is in the catalog, with the batch that is being made. */
  advance(span: LogSpan): void
  /** Whether nothing that lies behind is in the catalog yet. */
  isEven(): boolean
  forget(segment: number): void
  /** The rows that say so. */
  rows(spans: readonly LogSpan[]): [string, Buffer][]
}

type Position = LogPosition & { ahead: Map<number, LogPosition> }

/** A position moves only over records that lie end to end: what a crash leaves out is replayed. */
export async function readPositions(store: CatalogStore): Promise<LogPositions> {
  const positions = new Map<number, Position>()
  for await (const [key, bytes] of store.entries(keys.rangeOf('p'))) {
    const { offset, chain } = JSON.parse(bytes.toString()) as { offset: number; chain: string }
    const position = { offset, chain: Buffer.from(chain, 'hex'), ahead: new Map() }
    positions.set(Number(keys.lastPart(key)), position)
  }

  function positionOf(segment: number): Position {
    const position = positions.get(segment) ?? { offset: 0, chain: noChain, ahead: new Map() }
    positions.set(segment, position)
    return position
  }

  return {
    all: () => positions,
    advance({ segment, start, end, chain }) {
      const position = positionOf(segment)
      // Counted already when a failed batch is tried again.
      if (start < position.offset) return
      position.ahead.set(start, { offset: end, chain })
      let next = position.ahead.get(position.offset)
      while (next !== undefined) {
        position.ahead.delete(position.offset)
        position.offset = next.offset
        position.chain = next.chain
        next = position.ahead.get(position.offset)
      }
    },
    isEven: () => [...positions.values()].every(({ ahead }) => ahead.size === 0),
    forget: (segment) => void positions.delete(segment),
    rows: (spans) =>
      [...new Set(spans.map(({ segment }) => segment))].flatMap((segment): [string, Buffer][] => {
        const { offset, chain } = positionOf(segment)
        if (offset === 0) return []
        const row = JSON.stringify({ offset, chain: chain.toString('hex') })
        return [[keys.positionKey(segment), Buffer.from(row)]]
      }),
  }
}
