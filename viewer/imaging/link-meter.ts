/** The speed of the link while frames are on the way. */
export type LinkMeter = {
  /** Frames begin to move after a rest, which does not count. */
  start: () => void
  add: (bytes: number) => void
  bytesPerSecond: () => number | undefined
  /** The usual size of a frame. */
  frameBytes: () => number | undefined
  /** How long a usual frame takes alone. */
  frameMs: () => number | undefined
}

/** Over how many of the last frames it is measured. */
const sampleFrames = 8

export function createLinkMeter(clock: () => number): LinkMeter {
  const arrivals: { bytes: number; ms: number }[] = []
  let since = clock()
  const sum = (part: 'bytes' | 'ms') => arrivals.reduce((total, one) => total + one[part], 0)
  const meter: LinkMeter = {
    start() {
      since = clock()
    },
    add(bytes) {
      const now = clock()
      arrivals.push({ bytes, ms: now - since })
      since = now
      if (arrivals.length > sampleFrames) arrivals.shift()
    },
    bytesPerSecond() {
      return arrivals.length === 0 ? undefined : (sum('bytes') * 1000) / Math.max(sum('ms'), 1)
    },
    frameBytes: () => (arrivals.length === 0 ? undefined : sum('bytes') / arrivals.length),
    frameMs() {
      const [speed, size] = [meter.bytesPerSecond(), meter.frameBytes()]
      return speed === undefined || size === undefined ? undefined : (size * 1000) / speed
    },
  }
  return meter
}
