/** Numbers of the log's records. A number is settled when its record and all before it are in the catalog or failed. */
export type Sequence = {
  next(): number
  settle(seq: number): void
  /** The highest number below which nothing is under way: what may be told to those who follow positions. */
  settled(): number
}

export function createSequence(last: number): Sequence {
  const underWay = new Set<number>()
  let current = last
  return {
    next() {
      current++
      underWay.add(current)
      return current
    },
    settle(seq) {
      underWay.delete(seq)
    },
    settled() {
      // Numbers are added in order, so the first one is the smallest.
      const [first] = underWay
      return first === undefined ? current : first - 1
    },
  }
}
