import type { DimseLimits } from './link.ts'

type DeadlineLimits = Pick<
  DimseLimits,
  | 'associationTimeoutMs'
  | 'idleTimeoutMs'
  | 'unprovenTimeoutMs'
  | 'provenBytes'
  | 'rateWindowMs'
  | 'rateBytesPerSecondMin'
>

export type Overdue = 'association' | 'idle' | 'rate'

/** How long a peer may keep us waiting. Time in which it waits for us does not count. */
export type Deadlines = {
  associated(): void
  /** Bytes came; `isInside` while a unit, a command or a data set has begun and not ended. */
  received(bytes: number, isInside: boolean): void
  /** Our own work: as long as `work` lasts the peer owes us nothing. */
  during<T>(work: Promise<T>): Promise<T>
  overdue(): Overdue | undefined
  /** Since the association something whole has come, or much of it. */
  readonly isProven: boolean
}

export function createDeadlines(limits: DeadlineLimits, clock: () => number): Deadlines {
  const { associationTimeoutMs, idleTimeoutMs, rateWindowMs, rateBytesPerSecondMin } = limits
  const unprovenTimeoutMs = Math.min(limits.unprovenTimeoutMs, idleTimeoutMs)
  const bytesPerWindowMin = (rateBytesPerSecondMin * rateWindowMs) / 1000
  const connectedAt = clock()
  let isAssociated = false
  /** Bytes since the association; none while its own request is being counted. */
  let bytesSince: number | undefined
  let isProven = false
  let working = 0
  let heardAt = connectedAt
  /** The window in which the rate is measured; none between messages, where silence is idleness. */
  let window: { since: number; bytes: number } | undefined

  return {
    associated() {
      isAssociated = true
    },
    received(bytes, isInside) {
      heardAt = clock()
      if (bytesSince !== undefined) {
        bytesSince += bytes
        isProven ||= !isInside || bytesSince >= limits.provenBytes
      } else if (isAssociated) bytesSince = 0
      if (!isInside) window = undefined
      else if (window === undefined) window = { since: heardAt, bytes }
      else window.bytes += bytes
    },
    async during(work) {
      working++
      try {
        return await work
      } finally {
        working--
        heardAt = clock()
        if (window !== undefined) window = { since: heardAt, bytes: 0 }
      }
    },
    get isProven() {
      return isProven
    },
    overdue() {
      const now = clock()
      if (!isAssociated) return now - connectedAt > associationTimeoutMs ? 'association' : undefined
      if (working > 0) return undefined
      if (now - heardAt > (isProven ? idleTimeoutMs : unprovenTimeoutMs)) return 'idle'
      if (window === undefined || now - window.since < rateWindowMs) return undefined
      if (window.bytes < bytesPerWindowMin) return 'rate'
      window = { since: now, bytes: 0 }
      return undefined
    },
  }
}
