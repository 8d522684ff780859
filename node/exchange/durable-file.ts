import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'

/** Makes the names in a folder durable: a rename is on the disk only after this. */
export async function syncFolder(folder: string): Promise<void> {
  await using handle = await open(folder, 'r')
  await handle.sync()
}

/** Reads until the buffer is full or the file ends; returns what was read. */
export async function readFully(
  handle: FileHandle,
  length: number,
  position: number,
): Promise<Uint8Array> {
  const buffer = new Uint8Array(length)
  let filled = 0
  while (filled < length) {
    const { bytesRead } = await handle.read(buffer, filled, length - filled, position + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return buffer.subarray(0, filled)
}

export async function writeFully(
  handle: FileHandle,
  bytes: Uint8Array,
  position: number,
): Promise<void> {
  let written = 0
  while (written < bytes.byteLength) {
    const rest = bytes.byteLength - written
    const { bytesWritten } = await handle.write(bytes, written, rest, position + written)
    written += bytesWritten
  }
}
