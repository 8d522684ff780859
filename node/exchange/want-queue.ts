import { ProtocolError } from '#protocol/errors.ts'
import type { FetchWant } from '#protocol/fetch.ts'

/** A want that is being served, with its bytes in hand. */
export type Served = {
  want: FetchWant
  /** Offset of the next byte to send. */
  position: number
  /** Bytes from `position` on that are in memory. */
  ahead?: Uint8Array
  /** First slice has been looked for. */
  started: boolean
  /** When it was served last; among equals the longest waiting goes first. */
  turn: number
}

/**
 * The order of a bulk stream: smallest rank first, slices of equals in turn. Few wants have bytes in memory at a time;
 * among equals those are finished first.
 */
export function createWantQueue({
  wantsMax,
  activeWantsMax,
}: {
  wantsMax: number
  activeWantsMax: number
}) {
  const wants = new Map<number, Served>()
  let turns = 0
  let last = 0
  const active = (): Served[] => [...wants.values()].filter((one) => one.ahead !== undefined)
  return {
    /**
     * A new want, or another rank for one that is under way. Numbers only grow, so an earlier one that is not under way
     * has just been served or was cancelled: its reader could not know yet.
     */
    put(want: FetchWant): void {
      const known = wants.get(want.want)
      if (known !== undefined) {
        known.want = { ...known.want, rank: want.rank }
        return
      }
      if (want.want <= last) return
      last = want.want
      if (wants.size >= wantsMax) throw new ProtocolError('rate_limited', 'too many wants at once')
      const position = 'sop' in want ? want.offset : 0
      wants.set(want.want, { want, position, started: false, turn: turns++ })
    },
    remove: (number: number): boolean => wants.delete(number),
    has: (one: Served): boolean => wants.get(one.want.want) === one,
    /** Whose turn it is. */
    next(): Served | undefined {
      const isFull = active().length >= activeWantsMax
      const waits = (one: Served): number => (isFull && one.ahead === undefined ? 1 : 0)
      let best: Served | undefined
      for (const one of wants.values()) {
        const by =
          best === undefined
            ? -1
            : one.want.rank - best.want.rank || waits(one) - waits(best) || one.turn - best.turn
        if (by < 0) best = one
      }
      if (best !== undefined) best.turn = turns++
      return best
    },
    /** Makes room for the bytes of another want: the least urgent ones are dropped and read again later. */
    makeRoom(): void {
      const held = active().sort((a, b) => b.want.rank - a.want.rank)
      for (const one of held.slice(0, Math.max(0, held.length - activeWantsMax + 1))) {
        delete one.ahead
      }
    },
  }
}
export type WantQueue = ReturnType<typeof createWantQueue>
