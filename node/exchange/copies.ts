import { mkdir, open, readdir, rename, rm, stat, utimes } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import path from 'node:path'
import { ProtocolError } from '#protocol/errors.ts'
import type { Sha256 } from '#protocol/ids.ts'
import type { ByteRange } from '../archive/archive.ts'
import type { Log } from '../log.ts'
import { digestOf, rootOf } from './digests.ts'
import { readFully, syncFolder } from './durable-file.ts'

export type CopiesOptions = {
  /** Holds `<first two letters>/<sha256>`. */
  dir: string
  /** Copies above this are removed, least recently used first. */
  bytesMax: number
  chunkBytes: number
  verifiedMax: number
  log: Log
}

/** Instances of other organizations, complete and named by their digest (docs/decisions/0002). */
export type Copies = {
  has(sha256: Sha256): boolean
  /** Takes over a complete, verified and synced file; durable when it resolves. */
  adopt(sha256: Sha256, file: string, bytes: number): Promise<void>
  /** Verified again on the way out; a copy that is no longer what it was is removed (`storage_corrupt`). */
  read(sha256: Sha256, range: ByteRange): AsyncGenerator<Uint8Array>
  chunks(sha256: Sha256): Promise<Sha256[]>
  bytes(): number
}

export async function openCopies(options: CopiesOptions): Promise<Copies> {
  const { dir, chunkBytes, log } = options
  const shelf = createShelf(await scan(dir), options.bytesMax)
  const verified = new Map<Sha256, Sha256[]>()
  const fileOf = (sha256: Sha256): string => path.join(dir, sha256.slice(0, 2), sha256)

  const remove = async (sha256: Sha256): Promise<void> => {
    shelf.remove(sha256)
    verified.delete(sha256)
    await rm(fileOf(sha256), { force: true })
  }
  const opened = async (sha256: Sha256): Promise<{ handle: FileHandle; bytes: number }> => {
    const bytes = shelf.touch(sha256)
    if (bytes === undefined) throw new ProtocolError('not_found', 'no such copy')
    const handle = await open(fileOf(sha256), 'r').catch(() => undefined)
    return { handle: handle ?? (await corrupt(sha256)), bytes }
  }
  const corrupt = async (sha256: Sha256): Promise<never> => {
    log.error({ sha256 }, 'a copy is damaged or gone: it will be brought again')
    await remove(sha256)
    throw new ProtocolError('storage_corrupt', 'a copy is damaged')
  }
  /** Chunk digests of a copy whose whole digest was just seen to be right. */
  const chunks = async (sha256: Sha256): Promise<Sha256[]> => {
    const known = verified.get(sha256)
    if (known !== undefined) return known
    const { handle, bytes } = await opened(sha256)
    await using file = handle
    const digests: Sha256[] = []
    for (let at = 0; at < bytes; at += chunkBytes) {
      const chunk = await readFully(file, Math.min(chunkBytes, bytes - at), at)
      digests.push(digestOf(chunk))
    }
    if (rootOf(digests) !== sha256) return await corrupt(sha256)
    // Once per process and copy: the order of last use survives a restart well enough.
    await utimes(fileOf(sha256), new Date(), new Date())
    verified.set(sha256, digests)
    forgetOldest(verified, options.verifiedMax)
    return digests
  }
  return {
    has: shelf.has,
    chunks,
    bytes: shelf.bytes,
    async adopt(sha256, file, bytes) {
      const target = fileOf(sha256)
      await mkdir(path.dirname(target), { recursive: true })
      await rename(file, target)
      await syncFolder(path.dirname(target))
      for (const old of shelf.add(sha256, bytes)) await remove(old)
    },
    async *read(sha256, range) {
      const digests = await chunks(sha256)
      const { handle, bytes } = await opened(sha256)
      await using file = handle
      const end = Math.min(bytes, range.offset + range.length)
      for (let at = range.offset; at < end;) {
        const index = Math.floor(at / chunkBytes)
        const start = index * chunkBytes
        const chunk = await readFully(file, Math.min(chunkBytes, bytes - start), start)
        if (digestOf(chunk) !== digests[index]) await corrupt(sha256)
        yield chunk.subarray(at - start, Math.min(chunk.byteLength, end - start))
        at = start + chunkBytes
      }
    },
  }
}

function forgetOldest(map: Map<unknown, unknown>, max: number): void {
  for (const oldest of map.keys()) {
    if (map.size <= max) break
    map.delete(oldest)
  }
}

/** What is there, in the order of last use. */
function createShelf(found: Iterable<[Sha256, number]>, bytesMax: number) {
  const sizes = new Map<Sha256, number>(found)
  let total = [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0)
  const remove = (sha256: Sha256): void => {
    total -= sizes.get(sha256) ?? 0
    sizes.delete(sha256)
  }
  return {
    has: (sha256: Sha256): boolean => sizes.has(sha256),
    bytes: (): number => total,
    remove,
    touch(sha256: Sha256): number | undefined {
      const bytes = sizes.get(sha256)
      if (bytes === undefined) return undefined
      sizes.delete(sha256)
      sizes.set(sha256, bytes)
      return bytes
    },
    /** Adds one and returns those that must go. */
    add(sha256: Sha256, bytes: number): Sha256[] {
      remove(sha256)
      sizes.set(sha256, bytes)
      total += bytes
      const leaving: Sha256[] = []
      let left = total
      for (const [old, size] of sizes) {
        if (left <= bytesMax || old === sha256) break
        leaving.push(old)
        left -= size
      }
      return leaving
    },
  }
}

async function scan(dir: string): Promise<[Sha256, number][]> {
  await mkdir(dir, { recursive: true })
  const found: { sha256: Sha256; bytes: number; usedAt: number }[] = []
  for (const folder of await readdir(dir, { withFileTypes: true })) {
    if (!folder.isDirectory() || !/^[0-9a-f]{2}$/.test(folder.name)) continue
    for (const name of await readdir(path.join(dir, folder.name))) {
      if (!/^[0-9a-f]{64}$/.test(name)) continue
      const { size, mtimeMs } = await stat(path.join(dir, folder.name, name))
      found.push({ sha256: name as Sha256, bytes: size, usedAt: mtimeMs })
    }
  }
  return found.sort((a, b) => a.usedAt - b.usedAt).map(({ sha256, bytes }) => [sha256, bytes])
}
