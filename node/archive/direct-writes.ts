import { constants, open, type FileHandle } from 'node:fs/promises'
import { storageLimits } from '#protocol/limits.ts'

/** Writes past the page cache begin and end where a block does, in the file and in memory. */
export const blockBytes = 4096

const { directPieceBytes, directPiecesMax } = storageLimits

/**
 * Writes to one file past the page cache. What was archived is seldom read within minutes, and on a machine whose memory
 * is given to it as it needs it each page that the cache takes anew costs more than hashing its bytes.
 */
export type DirectWriter = {
  /** Bytes written of the first ones, whole blocks; zero when they must be written the usual way. */
  write(buffers: readonly Uint8Array[], position: number): Promise<number>
  close(): Promise<void>
}

/** Opens the file when there is something to write. */
export function createDirectWriter(path: string): DirectWriter {
  let opening: Promise<FileHandle> | undefined
  let isRefused = false

  async function writePiece(piece: Buffer, bytes: number, position: number): Promise<number> {
    try {
      opening ??= open(path, constants.O_RDWR | constants.O_DIRECT)
      const handle = await opening
      return (await handle.write(piece, 0, bytes, position)).bytesWritten
    } catch (error) {
      if (!isRefusal(error)) throw error
      isRefused = true
      return 0
    }
  }

  return {
    async write(buffers, position) {
      if (isRefused || position % blockBytes > 0) return 0
      const piece = pieces.pop()
      if (piece === undefined) return 0
      try {
        const bytes = gather(buffers, piece)
        return bytes === 0 ? 0 : await writePiece(piece, bytes, position)
      } finally {
        pieces.push(piece)
      }
    },
    async close() {
      // Whoever still has something to write must not open the file again.
      isRefused = true
      const handle = await opening?.catch(() => undefined)
      await handle?.close()
    },
  }
}

/** Of buffers only those that may grow begin where a page of memory does. */
const pieces = Array.from({ length: directPiecesMax }, () =>
  Buffer.from(new ArrayBuffer(directPieceBytes, { maxByteLength: directPieceBytes })),
)

/** As many whole blocks of the buffers as there are and fit. */
function gather(buffers: readonly Uint8Array[], piece: Buffer): number {
  let filled = 0
  for (const buffer of buffers) {
    const part = buffer.subarray(0, piece.byteLength - filled)
    piece.set(part, filled)
    filled += part.byteLength
    if (filled === piece.byteLength) break
  }
  return filled - (filled % blockBytes)
}

/** The file system knows no such writes, or wants larger blocks; or there are no handles left for a second one. */
const refusals = new Set<unknown>(['EINVAL', 'EOPNOTSUPP', 'EMFILE', 'ENFILE'])
const isRefusal = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && refusals.has(error.code)
