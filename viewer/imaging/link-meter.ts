/** The speed of the link while frames are on the way. */
export type LinkMeter = {
  /** Frames begin to move after a rest, which does not count. */
  start: () => void
  add: (bytes: number) => void
  bytesPerSecond: () => number | undefined
  /** The usual size of a frame. */
  frameBytes: () => number | undefined
}

/** Over how many of the last frames it is measured. */
const sampleFrames = 8

export function createLinkMeter(clock: () => number): LinkMeter {
  let arrivals: { at: number; bytes: number }[] = []
  return {
    start() {
      arrivals = [{ at: clock(), bytes: 0 }]
    },
    add(bytes) {
      arrivals.push({ at: clock(), bytes })
      if (arrivals.length > sampleFrames) arrivals.shift()
    },
    bytesPerSecond() {
      const first = arrivals[0]
      const last = arrivals.at(-1)
      if (first === undefined || last === undefined || last === first) return undefined
      const bytes = arrivals.slice(1).reduce((sum, arrival) => sum + arrival.bytes, 0)
      return (bytes * 1000) / Math.max(last.at - first.at, 1)
    },
    frameBytes() {
      const sizes = arrivals.map(({ bytes }) => bytes).filter((bytes) => bytes > 0)
      if (sizes.length === 0) return undefined
      return sizes.reduce((sum, size) => sum + size, 0) / sizes.length
    },
  }
}
