/** `kept`: here, but its digest is not known yet; `proven`: equal to the manifest's. */
export type ChunkState = 'missing' | 'kept' | 'proven'

/** Which chunks of an instance are here. */
export function createChunkMap(bytes: number, chunkBytes: number) {
  const count = Math.ceil(bytes / chunkBytes)
  const states: ChunkState[] = Array.from({ length: count }, () => 'missing')
  const lengthOf = (index: number): number => Math.min(chunkBytes, bytes - index * chunkBytes)
  return {
    count,
    lengthOf,
    get: (index: number): ChunkState | undefined => states[index],
    set(index: number, state: ChunkState): void {
      states[index] = state
    },
    isWhole: (): boolean => states.every((state) => state !== 'missing'),
    bytes: (): number =>
      states.reduce((sum, state, index) => sum + (state === 'missing' ? 0 : lengthOf(index)), 0),
    /** The first run of missing chunks that touches `[offset, offset + length)`, as byte positions. */
    missing(offset: number, length: number): { index: number; end: number } | undefined {
      const last = Math.ceil(Math.min(bytes, offset + length) / chunkBytes)
      let index = Math.floor(offset / chunkBytes)
      while (index < last && states[index] !== 'missing') index += 1
      if (index >= last) return undefined
      let end = index
      while (end < last && states[end] === 'missing') end += 1
      return { index, end: Math.min(bytes, end * chunkBytes) }
    },
  }
}
export type ChunkMap = ReturnType<typeof createChunkMap>
