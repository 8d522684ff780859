import { hash } from 'node:crypto'
import { storageLimits } from '#protocol/limits.ts'

/**
 * The digest of a data set is SHA-256 over the SHA-256 digests of its chunks: each byte is hashed once, and whoever
 * knows the digests of the chunks can prove them by the one of the whole.
 */

export const digestBytes = 32

export const chunkDigest = (chunk: Uint8Array): Buffer => hash('sha256', chunk, 'buffer')

/** From the concatenated digests of its chunks. */
export const digestOfChunks = (digests: Uint8Array): Buffer => hash('sha256', digests, 'buffer')

/** Of a data set that is in memory. */
export function digestOfDataSet(bytes: Uint8Array): Buffer {
  const digests: Buffer[] = []
  for (let at = 0; at < bytes.byteLength; at += storageLimits.chunkBytes) {
    digests.push(chunkDigest(bytes.subarray(at, at + storageLimits.chunkBytes)))
  }
  return digestOfChunks(Buffer.concat(digests))
}
