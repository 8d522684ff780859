/** Cuts a list into runs that fit a frame: at most `count` items and, unless one alone is larger, `bytes` bytes. */
export function batchesOf<T>(
  items: readonly T[],
  { bytesOf, count, bytes }: { bytesOf: (item: T) => number; count: number; bytes: number },
): T[][] {
  const batches: T[][] = []
  let size = 0
  for (const item of items) {
    const batch = batches.at(-1)
    const more = bytesOf(item)
    if (batch === undefined || batch.length >= count || size + more > bytes) {
      batches.push([item])
      size = more
    } else {
      batch.push(item)
      size += more
    }
  }
  return batches
}
