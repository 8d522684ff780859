import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { configure, Reader, ZipReader, type Entry, type FileEntry } from '@zip.js/zip.js'
import { ProtocolError } from '#protocol/errors.ts'
import { mediaLimits } from '#protocol/limits.ts'
import { safePath } from './medium.ts'
import type { MediaEntry, Medium } from './medium.ts'

configure({ useWebWorkers: false })

/**
 * A ZIP file on our disk. Entries are read as streams and never unpacked, so no name can lead anywhere; what they grow
 * to is counted and bounded for the whole file. ZIP files inside are files like others, and no DICOM files.
 */
export async function openZip(
  file: string,
  limits: { inflatedBytesFree: number; inflationMax: number } = mediaLimits,
): Promise<Medium> {
  const handle = await open(file, 'r')
  const { size } = await handle.stat()
  const reader = new ZipReader(new FileReader(handle, size), {
    checkSignature: true,
    checkOverlappingEntry: true,
    strictness: 'tolerant',
    filenameEncoding: 'ibm866',
  })
  const growth = { left: Math.max(limits.inflatedBytesFree, size * limits.inflationMax) }
  return {
    entries: (signal) => entriesOf(reader, growth, signal),
    async [Symbol.asyncDispose]() {
      await reader.close().catch(() => undefined)
      await handle.close()
    },
  }
}

/** How many more bytes may come out of one ZIP file. */
type Growth = { left: number }

/** Reads at given places. The library asks for the whole central directory at once, whatever length it claims. */
class FileReader extends Reader<FileHandle> {
  readonly #handle: FileHandle

  constructor(handle: FileHandle, size: number) {
    super(handle)
    this.#handle = handle
    this.size = size
  }

  override async readUint8Array(index: number, length: number): Promise<Uint8Array> {
    if (length > mediaLimits.zipDirectoryBytes) {
      throw new ProtocolError('too_large', 'the directory of the ZIP file is too large')
    }
    const room = Math.max(0, Math.min(length, this.size - index))
    const buffer = new Uint8Array(room)
    const { bytesRead } = await this.#handle.read(buffer, 0, room, index)
    return buffer.subarray(0, bytesRead)
  }
}

async function* entriesOf(
  reader: ZipReader<FileHandle>,
  growth: Growth,
  signal: AbortSignal,
): AsyncGenerator<MediaEntry> {
  const seen = new Set<string>()
  let count = 0
  for await (const entry of translated(reader.getEntriesGenerator())) {
    signal.throwIfAborted()
    if (++count > mediaLimits.filesMax) {
      throw new ProtocolError('too_large', 'the ZIP file has too many entries')
    }
    if (!entry.directory) yield entryOf(entry, seen, growth)
  }
}

async function* translated(entries: AsyncIterable<Entry>): AsyncGenerator<Entry> {
  try {
    yield* entries
  } catch (cause) {
    if (cause instanceof ProtocolError) throw cause
    throw new ProtocolError('bad_request', 'this is no ZIP file, or a damaged one', { cause })
  }
}

function entryOf(entry: FileEntry, seen: Set<string>, growth: Growth): MediaEntry {
  const path = safePath(entry.filename)
  const shown = path ?? entry.filename.replaceAll(/\p{Cc}/gu, '?').slice(0, 256)
  const refused = (reason: Extract<MediaEntry, { kind: 'refused' }>['reason']): MediaEntry => ({
    kind: 'refused',
    path: shown,
    reason,
  })
  if (path === undefined) return refused('unsafe_name')
  if (entry.symlink) return refused('symbolic_link')
  if (entry.encrypted) return refused('encrypted')
  if (seen.has(path)) return refused('name_twice')
  seen.add(path)
  if (entry.uncompressedSize > mediaLimits.fileBytes) return refused('too_large')
  const { uncompressedSize: bytes } = entry
  return { kind: 'file', file: { path, bytes, read: (signal) => inflate(entry, growth, signal) } }
}

/** The entry's bytes as they are inflated; a reader that stops early stops the inflating. */
async function* inflate(
  entry: FileEntry,
  growth: Growth,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
  const stop = new AbortController()
  const all = AbortSignal.any([signal, stop.signal])
  const whole = entry.getData(writable, { signal: all }).catch(translate)
  // An entry that fails before its first byte never ends the stream.
  const failed = Promise.race([aborted(all), whole.then(() => nothing())])
  const reader = readable.getReader()
  // A race for every part would hold each of them until the entry ends.
  failed.catch(() => void reader.cancel().catch(() => undefined))
  try {
    let bytes = 0
    for (;;) {
      const next = await reader.read().catch(() => failed)
      if (next.done) break
      bytes += next.value.byteLength
      growth.left -= next.value.byteLength
      if (growth.left < 0 || bytes > entry.uncompressedSize) {
        throw new ProtocolError('too_large', 'the ZIP file grows beyond what images do')
      }
      yield next.value
    }
    await Promise.race([failed, whole])
  } finally {
    stop.abort()
    await reader.cancel().catch(() => undefined)
  }
}

/** A promise of its own each time: what waits for it goes with it. */
const nothing = (): Promise<never> => new Promise(() => undefined)

function aborted(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>()
  const fail = () => reject(new ProtocolError('aborted', 'the import was given up'))
  if (signal.aborted) fail()
  else signal.addEventListener('abort', fail, { once: true })
  return promise
}

function translate(cause: unknown): never {
  throw cause instanceof ProtocolError
    ? cause
    : new ProtocolError('instance_malformed', 'the ZIP entry is damaged', { cause })
}
