import { mkdir, open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import path from 'node:path'
import { readFully, writeFully } from './durable-file.ts'

/** The file in which an instance's chunks gather, each at its place. */
export type Partial = {
  /** An earlier process left something here: its chunks must be proven before they count. */
  readonly isOld: boolean
  write(index: number, bytes: Uint8Array): Promise<void>
  /** Fewer bytes than asked where the file ends. */
  read(index: number, length: number): Promise<Uint8Array>
  /** Everything is on the disk, and nothing but the instance; the file is the caller's now. */
  release(): Promise<void>
  close(): Promise<void>
}

export async function openPartial(
  file: string,
  bytes: number,
  chunkBytes: number,
): Promise<Partial> {
  await mkdir(path.dirname(file), { recursive: true })
  const { handle, isOld } = await openOrCreate(file)
  return {
    isOld,
    write: (index, chunk) => writeFully(handle, chunk, index * chunkBytes),
    read: (index, length) => readFully(handle, length, index * chunkBytes),
    async release() {
      await handle.truncate(bytes)
      await handle.sync()
      await handle.close()
    },
    close: () => handle.close(),
  }
}

async function openOrCreate(file: string): Promise<{ handle: FileHandle; isOld: boolean }> {
  try {
    return { handle: await open(file, 'wx+'), isOld: false }
  } catch {
    const handle = await open(file, 'r+')
    return { handle, isOld: (await handle.stat()).size > 0 }
  }
}
