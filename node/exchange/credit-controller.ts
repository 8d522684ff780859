/**
 * How many bytes may be under way from one peer. The window follows the measured queueing delay (after LEDBAT): it grows
 * while the link is empty and shrinks as soon as bytes wait somewhere, so that one setting works from 2 to 100 Mbit/s
 * and background streams yield to whatever else uses the link. One controller per peer, because several that measure
 * the same queue each take the others' bytes for the empty link.
 */
export type CreditOptions = {
  /** Queueing delay that these streams may cause. */
  targetMs: number
  bytesMin: number
  bytesMax: number
  /** Monotonic milliseconds. */
  now: () => number
}

export type CreditController = {
  /** One more stream shares the window. */
  join(): CreditMember
  window(): number
}

export type CreditMember = {
  /** Credit to grant now; 0 when it is not worth a frame. */
  top(): number
  received(bytes: number): void
  /** Granted, but not yet here. */
  outstanding(): number
  /** After a pause in which nothing was wanted: the waiting time of unused credit says nothing about the link. */
  resume(): void
  leave(): void
}

const stepBytes = 8192
const frameworthBytes = 64 * 1024
/** The empty link's delay is measured anew after this time: routes change. */
const baseAgeMs = 10 * 60_000

export function createCreditController(options: CreditOptions): CreditController {
  const { bytesMin, bytesMax, now } = options
  const gauge = createGauge(options)
  const members = new Set<CreditMember>()

  const join = (): CreditMember => {
    let granted = 0
    let received = 0
    let marks: { at: number; time: number }[] = []
    const member: CreditMember = {
      top() {
        const share = Math.max(bytesMin, gauge.window() / Math.max(1, members.size))
        const more = Math.floor(share - (granted - received))
        if (more < Math.min(frameworthBytes, share / 4)) return 0
        granted += more
        marks.push({ at: granted, time: now() })
        return more
      },
      received(bytes) {
        received += bytes
        for (let first = marks[0]; first !== undefined && first.at <= received; first = marks[0]) {
          marks.shift()
          gauge.sample(now() - first.time, bytes)
        }
      },
      outstanding: () => granted - received,
      resume() {
        marks = granted > received ? [{ at: received + 1, time: now() }] : []
      },
      leave: () => void members.delete(member),
    }
    members.add(member)
    return member
  }
  return { join, window: () => Math.min(bytesMax, gauge.window()) }
}

function createGauge({ targetMs, bytesMin, bytesMax, now }: CreditOptions) {
  let window = Math.min(bytesMax, 2 * bytesMin)
  let baseMs = Infinity
  let baseAt = -Infinity
  let lastCutAt = -Infinity
  let isSlowStart = true
  const adjust = (queueMs: number, tripMs: number, bytes: number): number => {
    const time = now()
    const isCut = isSlowStart
      ? queueMs > targetMs
      : queueMs > 3 * targetMs && time - lastCutAt > tripMs
    if (isCut) {
      isSlowStart = false
      lastCutAt = time
      return window * 0.7
    }
    if (isSlowStart) return window + bytes
    const pull = Math.max(-1, (targetMs - queueMs) / targetMs)
    return window + pull * stepBytes * Math.min(1, bytes / window)
  }
  return {
    window: () => window,
    sample(tripMs: number, bytes: number): void {
      if (tripMs < baseMs || now() - baseAt > baseAgeMs) {
        baseMs = tripMs
        baseAt = now()
      }
      window = Math.min(bytesMax, Math.max(bytesMin, adjust(tripMs - baseMs, tripMs, bytes)))
    },
  }
}
