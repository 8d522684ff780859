import { hash, webcrypto } from 'node:crypto'
import { storageLimits } from '#protocol/limits.ts'

/**
 * The digest of a data set is SHA-256 over the SHA-256 digests of its chunks: each byte is hashed once, and whoever
 * knows the digests of the chunks can prove them by the one of the whole.
 */

export const digestBytes = 32

const { chunkBytes, digestApartBytes } = storageLimits

export const chunkDigest = (chunk: Uint8Array): Buffer => hash('sha256', chunk, 'buffer')

/** The same, made beside this thread; the chunk may be changed at once. A small one is hashed sooner here. */
export async function chunkDigestApart(chunk: Uint8Array<ArrayBuffer>): Promise<Buffer> {
  if (chunk.byteLength < digestApartBytes) return chunkDigest(chunk)
  return Buffer.from(await webcrypto.subtle.digest('SHA-256', chunk))
}

let isFast: boolean | undefined

/**
 * The same in the way that costs least: a processor with instructions for SHA-256 hashes a chunk in less time than it takes
 * to copy it for another thread and to hear of it.
 */
export async function chunkDigestNear(chunk: Uint8Array<ArrayBuffer>): Promise<Buffer> {
  isFast ??= chunkMs() < storageLimits.digestNearMs
  return isFast ? chunkDigest(chunk) : await chunkDigestApart(chunk)
}

/** What a chunk takes when nobody disturbs. */
function chunkMs(): number {
  const chunk = Buffer.alloc(chunkBytes)
  const times = Array.from({ length: 5 }, () => {
    const begin = performance.now()
    chunkDigest(chunk)
    return performance.now() - begin
  })
  return Math.min(...times)
}

/** From the concatenated digests of its chunks. */
export const digestOfChunks = (digests: Uint8Array): Buffer => hash('sha256', digests, 'buffer')

/** Digests of the chunks of bytes that begin with one, one behind the other, made beside this thread. */
export async function chunkDigestsApart(bytes: Uint8Array<ArrayBuffer>): Promise<Buffer> {
  return Buffer.concat(await Promise.all(cutChunks(bytes).map(chunkDigestApart)))
}

/** Of a data set that is in memory. */
export const digestOfDataSet = (bytes: Uint8Array): Buffer =>
  digestOfChunks(Buffer.concat(cutChunks(bytes).map(chunkDigest)))

function cutChunks<Memory extends ArrayBufferLike>(
  bytes: Uint8Array<Memory>,
): Uint8Array<Memory>[] {
  const count = Math.ceil(bytes.byteLength / chunkBytes)
  return Array.from({ length: count }, (_, index) =>
    bytes.subarray(index * chunkBytes, (index + 1) * chunkBytes),
  )
}
