import { constants } from 'node:fs'
import { lstat, open, opendir, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { ProtocolError } from '#protocol/errors.ts'
import { mediaLimits } from '#protocol/limits.ts'
import { depthMax, safePath } from './medium.ts'
import type { MediaEntry, MediaFile, Medium } from './medium.ts'

/** A folder and what is below it. Symbolic links are reported and never followed. */
export async function openFolder(folder: string): Promise<Medium> {
  const root = await realpath(folder)
  if (!(await lstat(root)).isDirectory()) throw new ProtocolError('not_found', 'no such folder')
  return {
    entries: (signal) => walk(root, signal),
    async [Symbol.asyncDispose]() {},
  }
}

async function* walk(root: string, signal: AbortSignal): AsyncGenerator<MediaEntry> {
  const folders = [{ path: '', depth: 0 }]
  let count = 0
  for (let next = folders.pop(); next !== undefined; next = folders.pop()) {
    const { path, depth } = next
    const below: { path: string; depth: number }[] = []
    for await (const child of await opendir(join(root, path))) {
      signal.throwIfAborted()
      if (++count > mediaLimits.filesMax) {
        throw new ProtocolError('too_large', 'the medium has too many files')
      }
      const name = path === '' ? child.name : `${path}/${child.name}`
      if (child.isDirectory()) {
        if (depth + 1 < depthMax) below.push({ path: name, depth: depth + 1 })
        else yield { kind: 'refused', path: name, reason: 'too_deep' }
      } else {
        yield await entryOf(root, name, child.isSymbolicLink())
      }
    }
    // The same medium is read in the same order, whatever its file system says.
    folders.push(...below.toSorted((a, b) => (a.path < b.path ? 1 : -1)))
  }
}

async function entryOf(root: string, path: string, isLink: boolean): Promise<MediaEntry> {
  if (isLink) return { kind: 'refused', path, reason: 'symbolic_link' }
  // A name with `\` or a control character is no name of a medium; `/` cannot be in one.
  if (safePath(path) !== path) return { kind: 'refused', path, reason: 'unsafe_name' }
  const found = await lstat(join(root, path))
  if (!found.isFile()) return { kind: 'refused', path, reason: 'no_file' }
  return { kind: 'file', file: { path, bytes: found.size, read: () => readFile(root, path) } }
}

async function* readFile(root: string, path: string): ReturnType<MediaFile['read']> {
  const place = join(root, path)
  // What was a folder when it was listed may be a link by now.
  if ((await realpath(place)) !== place) {
    throw new ProtocolError('bad_request', 'the file lies outside the medium')
  }
  await using handle = await open(place, constants.O_RDONLY | constants.O_NOFOLLOW)
  for (;;) {
    const buffer = Buffer.allocUnsafe(mediaLimits.readBytes)
    const { bytesRead } = await handle.read(buffer)
    if (bytesRead === 0) return
    yield buffer.subarray(0, bytesRead)
  }
}
