import { hash } from 'node:crypto'
import { storageLimits } from '#protocol/limits.ts'
import { createLanes, laneCount, type Lanes } from './sha256-lanes.ts'

/** SHA-256 of each of some chunks. */
export type ChunkHasher = (chunks: readonly Uint8Array[]) => Buffer[]

const { chunkBytes } = storageLimits
const one = (chunk: Uint8Array): Buffer => hash('sha256', chunk, 'buffer')

/** Fewer are done sooner one after the other. */
const groupMin = 3
/** Groups after which it is known which way is the faster one. */
const trials = 64

/**
 * Whole chunks are hashed four at a time or one after the other, whichever is faster on this processor: it is faster
 * by half where there are no instructions for SHA-256, and slower by far where there are. Both are tried in turn.
 */
export function createChunkHasher(lanes: Lanes = createLanes(chunkBytes)): ChunkHasher {
  const ways = [(chunks: readonly Uint8Array[]) => chunks.map(one), lanes] as const
  const best: [number, number] = [Infinity, Infinity]
  let groups = 0

  function hashGroup(group: readonly Uint8Array[]): Buffer[] {
    const [plainly, beside] = best
    const way = groups < trials ? ((groups & 1) as 0 | 1) : beside < plainly ? 1 : 0
    if (groups >= trials) return ways[way](group)
    groups++
    const begin = performance.now()
    const digests = ways[way](group)
    best[way] = Math.min(best[way], (performance.now() - begin) / group.length)
    return digests
  }

  return (chunks) => {
    const digests = new Map<Uint8Array, Buffer>()
    const whole = chunks.filter(({ byteLength }) => byteLength === chunkBytes)
    for (let at = 0; at + groupMin <= whole.length; at += laneCount) {
      const group = whole.slice(at, at + laneCount)
      for (const [index, digest] of hashGroup(group).entries()) {
        const chunk = group[index]
        if (chunk !== undefined) digests.set(chunk, digest)
      }
    }
    return chunks.map((chunk) => digests.get(chunk) ?? one(chunk))
  }
}

/** The chunks of bytes that begin with one. */
export function cutChunks(bytes: Uint8Array): Uint8Array[] {
  const count = Math.ceil(bytes.byteLength / chunkBytes)
  return Array.from({ length: count }, (_, index) =>
    bytes.subarray(index * chunkBytes, (index + 1) * chunkBytes),
  )
}
