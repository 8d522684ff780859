import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { chunkDigest, digestOfChunks } from './chunk-digests.ts'
import { segmentName } from './log-start.ts'
import { chunkOffset, pieceBytes } from './log-record.ts'
import type { FindCopy, Wanted } from './record-copy.ts'

/**
 * Looks for lost bytes in folders: backups of this archive, whose segments are copies of ours, and stores that name
 * files by digest. A copy may have rotted as well, or been cut: each is read through first, and the first right one is
 * given. Whoever asks compares it with the digest once more.
 */
export const createFolderCopies =
  (folders: readonly string[]): FindCopy =>
  async (wanted) => {
    for (const folder of folders) {
      for (const place of placesIn(folder, wanted)) {
        if (await isRight(place, wanted)) return readPieces(place, wanted)
      }
    }
    return undefined
  }

type Place = { file: string; offsetOf: (index: number) => number }

function placesIn(folder: string, { sha256, location }: Wanted): Place[] {
  const name = segmentName(location.segment)
  const inSegment = (index: number): number => chunkOffset(location, index)
  return [
    { file: join(folder, sha256.slice(0, 2), sha256), offsetOf: (index) => index * pieceBytes },
    { file: join(folder, 'archive', 'log', name), offsetOf: inSegment },
    { file: join(folder, name), offsetOf: inSegment },
  ]
}

/** A data set is named by the digests of its chunks, and an index entry by its own. */
async function isRight(place: Place, wanted: Wanted): Promise<boolean> {
  const whole = createHash('sha256')
  const chunks: Buffer[] = []
  try {
    for await (const piece of readPieces(place, wanted)) {
      whole.update(piece)
      chunks.push(chunkDigest(piece))
    }
  } catch {
    // It is not there, or cannot be read: the next may be.
    return false
  }
  const digests = [digestOfChunks(Buffer.concat(chunks)), whole.digest()]
  return digests.some((digest) => digest.toString('hex') === wanted.sha256)
}

async function* readPieces(
  { file, offsetOf }: Place,
  { bytes }: Wanted,
): AsyncGenerator<Uint8Array> {
  await using source = await open(file, 'r')
  for (let i = 0; i * pieceBytes < bytes; i++) {
    const piece = Buffer.alloc(Math.min(pieceBytes, bytes - i * pieceBytes))
    await source.read(piece, 0, piece.byteLength, offsetOf(i))
    yield piece
  }
}
