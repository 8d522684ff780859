import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { segmentName } from './log-start.ts'
import { chunkOffset, pieceBytes } from './log-record.ts'
import type { FindCopy, Wanted } from './record-copy.ts'

/**
 * Looks for lost bytes in folders: backups of this archive, whose segments are copies of ours, and stores that name
 * files by digest. What is found need not be right: whoever asks compares it with the digest.
 */
export const createFolderCopies =
  (folders: readonly string[]): FindCopy =>
  async (wanted) => {
    for (const folder of folders) {
      const bytes = (await byDigest(folder, wanted)) ?? (await fromSegment(folder, wanted))
      if (bytes !== undefined) return bytes
    }
    return undefined
  }

const byDigest = (folder: string, { sha256, bytes }: Wanted) =>
  readPieces(join(folder, sha256.slice(0, 2), sha256), bytes, (index) => index * pieceBytes)

const fromSegment = async (folder: string, { location, bytes }: Wanted) => {
  const name = segmentName(location.segment)
  for (const file of [join(folder, 'archive', 'log', name), join(folder, name)]) {
    const pieces = await readPieces(file, bytes, (index) => chunkOffset(location, index))
    if (pieces !== undefined) return pieces
  }
  return undefined
}

async function readPieces(
  file: string,
  bytes: number,
  offsetOf: (index: number) => number,
): Promise<AsyncIterable<Uint8Array> | undefined> {
  const handle = await open(file, 'r').catch(() => undefined)
  if (handle === undefined) return undefined
  return (async function* () {
    await using source = handle
    for (let i = 0; i * pieceBytes < bytes; i++) {
      const piece = Buffer.alloc(Math.min(pieceBytes, bytes - i * pieceBytes))
      await source.read(piece, 0, piece.byteLength, offsetOf(i))
      yield piece
    }
  })()
}
