import { mkdir, open, readdir, rm, stat, statfs, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { storageLimits } from '#protocol/limits.ts'
import { blockBytes, createDirectWriter } from './direct-writes.ts'
import type { DirectWriter } from './direct-writes.ts'

/** What the value log asks of a disk: a parameter, so that tests can make it full, torn, or broken. */
export type Disk = {
  /** Names of the files in the log's folder, which is made when missing. */
  list(): Promise<string[]>
  /** Opens for reading and writing at positions; `create` fails when the file exists. */
  open(name: string, mode: 'create' | 'write' | 'read'): Promise<DiskFile>
  /** Bytes of a file. */
  size(name: string): Promise<number>
  /** Durable after `syncNames`. */
  remove(name: string): Promise<void>
  /** Makes new names durable. */
  syncNames(): Promise<void>
  freeSpace(): Promise<{ freeBytes: number; totalBytes: number }>
}

export type DiskFile = {
  size(): Promise<number>
  /** Bytes written, which may be fewer than given. */
  write(buffers: readonly Uint8Array[], position: number): Promise<number>
  /** Bytes read; fewer than asked only at the end of the file. */
  read(into: Uint8Array, position: number): Promise<number>
  /** Data and size are on the medium when it resolves (`fdatasync`). */
  sync(): Promise<void>
  truncate(size: number): Promise<void>
  close(): Promise<void>
}

const modes = { create: 'wx+', write: 'r+', read: 'r' } as const

/** A folder of a real file system. */
export async function openDisk(folder: string): Promise<Disk> {
  await mkdir(folder, { recursive: true })
  return {
    list: () => readdir(folder),
    async open(name, mode) {
      const path = join(folder, name)
      return createFile(await open(path, modes[mode]), createDirectWriter(path))
    },
    size: async (name) => (await stat(join(folder, name))).size,
    remove: (name) => rm(join(folder, name)),
    async syncNames() {
      const handle = await open(folder, 'r')
      try {
        await handle.sync()
      } finally {
        await handle.close()
      }
    },
    async freeSpace() {
      const { bavail, blocks, bsize } = await statfs(folder)
      return { freeBytes: bavail * bsize, totalBytes: blocks * bsize }
    },
  }
}

function createFile(handle: FileHandle, direct: DirectWriter): DiskFile {
  const plain = async (buffers: readonly Uint8Array[], position: number): Promise<number> =>
    (await handle.writev(buffers, position)).bytesWritten

  /** Much at once goes past the page cache from where a block begins. */
  async function write(buffers: readonly Uint8Array[], position: number): Promise<number> {
    const bytes = buffers.reduce((sum, { byteLength }) => sum + byteLength, 0)
    if (bytes < storageLimits.directBytesMin) return await plain(buffers, position)
    const before = (blockBytes - (position % blockBytes)) % blockBytes
    if (before > 0) return await plain(firstBytes(buffers, before), position)
    const written = await direct.write(buffers, position)
    return written > 0 ? written : await plain(buffers, position)
  }

  return {
    size: async () => (await handle.stat()).size,
    write,
    async read(into, position) {
      let filled = 0
      while (filled < into.byteLength) {
        const rest = {
          offset: filled,
          length: into.byteLength - filled,
          position: position + filled,
        }
        const { bytesRead } = await handle.read(into, rest)
        if (bytesRead === 0) break
        filled += bytesRead
      }
      return filled
    },
    sync: () => handle.datasync(),
    truncate: (size) => handle.truncate(size),
    async close() {
      await direct.close()
      await handle.close()
    },
  }
}

function firstBytes(buffers: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let left = bytes
  const first: Uint8Array[] = []
  for (const buffer of buffers) {
    if (left === 0) break
    const part = buffer.subarray(0, left)
    first.push(part)
    left -= part.byteLength
  }
  return first
}
