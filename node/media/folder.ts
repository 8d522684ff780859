import { constants, type Dirent } from 'node:fs'
import { lstat, open, opendir, realpath } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { ProtocolError } from '#protocol/errors.ts'
import { mediaLimits } from '#protocol/limits.ts'
import { createTurns, type Turns } from '#protocol/turns.ts'
import { depthMax, safePath, UnreadableError } from './medium.ts'
import type { MediaEntry, MediaFile, Medium } from './medium.ts'

/**
 * A folder and what is below it. Symbolic links are reported and never followed. It is asked for one thing at a time:
 * a scratched disc lets each wait for long, and there are only four threads for all files of the node.
 */
export async function openFolder(folder: string): Promise<Medium> {
  const root = await realpath(folder)
  if (!(await lstat(root)).isDirectory()) throw new ProtocolError('not_found', 'no such folder')
  const inTurn = createTurns()
  return {
    entries: (signal) => walk(root, inTurn, signal),
    async [Symbol.asyncDispose]() {},
  }
}

async function* walk(root: string, inTurn: Turns, signal: AbortSignal): AsyncGenerator<MediaEntry> {
  const folders = [{ path: '', depth: 0 }]
  let count = 0
  for (let next = folders.pop(); next !== undefined; next = folders.pop()) {
    const { path, depth } = next
    const children: Dirent[] = []
    try {
      for await (const child of await opendir(join(root, path))) {
        signal.throwIfAborted()
        if (++count > mediaLimits.filesMax) {
          throw new ProtocolError('too_large', 'the medium has too many files')
        }
        children.push(child)
      }
    } catch (error) {
      signal.throwIfAborted()
      if (path === '' || error instanceof ProtocolError) throw error
      // What was found in it until then is taken all the same.
      yield { kind: 'refused', path, reason: 'unreadable' }
    }
    // The same medium is read in the same order, whatever its file system says.
    children.sort((a, b) => (a.name < b.name ? -1 : 1))
    const below: { path: string; depth: number }[] = []
    for (const child of children) {
      signal.throwIfAborted()
      const name = path === '' ? child.name : `${path}/${child.name}`
      if (!child.isDirectory()) {
        yield await entryOf({ root, path: name, inTurn }, child.isSymbolicLink())
      } else if (depth + 1 < depthMax) below.push({ path: name, depth: depth + 1 })
      else yield { kind: 'refused', path: name, reason: 'too_deep' }
    }
    folders.push(...below.toReversed())
  }
}

type Place = { root: string; path: string; inTurn: Turns }

async function entryOf(place: Place, isLink: boolean): Promise<MediaEntry> {
  const { root, path } = place
  if (isLink) return { kind: 'refused', path, reason: 'symbolic_link' }
  // A name with `\` or a control character is no name of a medium; `/` cannot be in one.
  if (safePath(path) !== path) return { kind: 'refused', path, reason: 'unsafe_name' }
  const found = await lstat(join(root, path)).catch(() => undefined)
  if (found === undefined) return { kind: 'refused', path, reason: 'unreadable' }
  if (!found.isFile()) return { kind: 'refused', path, reason: 'no_file' }
  return { kind: 'file', file: { path, bytes: found.size, read: () => readFile(place) } }
}

async function* readFile({ root, path, inTurn }: Place): ReturnType<MediaFile['read']> {
  await using handle = await given(inTurn(async () => openInside(join(root, path))))
  for (;;) {
    const buffer = Buffer.allocUnsafe(mediaLimits.readBytes)
    const { bytesRead } = await given(inTurn(async () => handle.read(buffer)))
    if (bytesRead === 0) return
    yield buffer.subarray(0, bytesRead)
  }
}

const given = <T>(asked: Promise<T>): Promise<T> =>
  asked.catch((cause: unknown) => {
    if (cause instanceof ProtocolError) throw cause
    throw new UnreadableError('the medium does not give this file', { cause })
  })

async function openInside(place: string): Promise<FileHandle> {
  // What was a folder when it was listed may be a link by now.
  if ((await realpath(place)) !== place) {
    throw new ProtocolError('bad_request', 'the file lies outside the medium')
  }
  return open(place, constants.O_RDONLY | constants.O_NOFOLLOW)
}
