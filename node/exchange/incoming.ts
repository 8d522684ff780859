/** Chunks of which a part has come: kept in memory until they are whole, because only whole ones can be proven. */
export function createIncoming(
  totalBytes: number,
  { chunkBytes, openChunksMax }: { chunkBytes: number; openChunksMax: number },
) {
  const open = new Map<number, { bytes: Uint8Array; filled: number }>()

  const chunkAt = (index: number): { bytes: Uint8Array; filled: number } => {
    const known = open.get(index)
    if (known !== undefined) return known
    // The least recently begun one is given up: it is asked for again from its start.
    const [oldest] = open.keys()
    if (open.size >= openChunksMax && oldest !== undefined) open.delete(oldest)
    const length = Math.min(chunkBytes, totalBytes - index * chunkBytes)
    const made = { bytes: new Uint8Array(length), filled: 0 }
    open.set(index, made)
    return made
  }
  return {
    /**
     * Adds bytes and returns the chunks that became whole. Bytes that are here already are skipped; bytes behind a gap
     * are dropped, and asked for again.
     */
    take(
      offset: number,
      bytes: Uint8Array,
      isMissing: (index: number) => boolean,
    ): { index: number; bytes: Uint8Array }[] {
      const whole: { index: number; bytes: Uint8Array }[] = []
      const end = Math.min(totalBytes, offset + bytes.byteLength)
      for (let at = offset; at < end;) {
        const index = Math.floor(at / chunkBytes)
        const start = index * chunkBytes
        const until = Math.min(end, start + chunkBytes)
        if (isMissing(index)) {
          const chunk = chunkAt(index)
          const from = start + chunk.filled
          if (at <= from && from < until) {
            chunk.bytes.set(bytes.subarray(from - offset, until - offset), chunk.filled)
            chunk.filled = until - start
          }
          if (chunk.filled === chunk.bytes.byteLength) {
            open.delete(index)
            whole.push({ index, bytes: chunk.bytes })
          }
        } else open.delete(index)
        at = until
      }
      return whole
    },
    filled: (index: number): number => open.get(index)?.filled ?? 0,
    bytes: (): number => [...open.values()].reduce((sum, chunk) => sum + chunk.filled, 0),
  }
}
