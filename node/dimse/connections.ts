import type { DimseLimits } from './link.ts'

type ConnectionLimits = Pick<
  DimseLimits,
  'associationsMax' | 'associationsPerAddress' | 'pendingMax' | 'pendingPerAddress'
>

/** One accepted socket, seen from its place in the count. */
export type Slot = {
  /** Takes one of the places for associations; false when there is none. */
  associate(): boolean
  /** It has sent something whole: from now on it keeps its place. */
  prove(): void
  /** The association is over, only the socket still stands. */
  dissociate(): void
  leave(): void
}

export type Connections = {
  /** A newcomer always enters: it displaces the oldest of those that have not associated. */
  enter(address: string, evict: () => void): Slot
  associations(): number
  sockets(): number
  /** Whoever is still there has to go. */
  close(): void
}

/**
 * Counts sockets. Those without an association (not yet, or not any more) have few places of their own and the oldest
 * loses its place: whoever only holds sockets open displaces itself, while an honest caller associates at once. Where
 * associations are full, the oldest that has sent nothing whole makes room.
 */
export function createConnections(limits: ConnectionLimits): Connections {
  type Entry = {
    address: string
    isAssociated: boolean
    isProven: boolean
    evict: () => void
  }
  /** In order of arrival. */
  const entries = new Set<Entry>()

  const those = (isAssociated: boolean, address?: string): Entry[] =>
    [...entries].filter(
      (entry) =>
        entry.isAssociated === isAssociated && (address === undefined || entry.address === address),
    )
  const leave = (entry: Entry) => void entries.delete(entry)
  const makeRoom = (pending: Entry[], max: number) => {
    for (const entry of pending.slice(0, Math.max(0, pending.length - max))) {
      leave(entry)
      entry.evict()
    }
  }

  const hasPlace = (associated: Entry[], max: number): boolean => {
    if (associated.length < max) return true
    const idle = associated.find(({ isProven }) => !isProven)
    if (idle === undefined) return false
    leave(idle)
    idle.evict()
    return true
  }

  return {
    enter(address, evict) {
      const entry: Entry = {
        address,
        isAssociated: false,
        isProven: false,
        evict,
      }
      entries.add(entry)
      makeRoom(those(false, address), limits.pendingPerAddress)
      makeRoom(those(false), limits.pendingMax)
      return {
        associate() {
          const hasRoom =
            hasPlace(those(true, address), limits.associationsPerAddress) &&
            hasPlace(those(true), limits.associationsMax)
          if (hasRoom) entry.isAssociated = true
          return hasRoom
        },
        prove() {
          entry.isProven = true
        },
        dissociate() {
          entry.isAssociated = false
        },
        leave: () => leave(entry),
      }
    },
    associations: () => those(true).length,
    sockets: () => entries.size,
    close() {
      for (const entry of entries) entry.evict()
    },
  }
}
