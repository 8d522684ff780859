import { hash } from 'node:crypto'
import { ProtocolError } from '#protocol/errors.ts'
import { storageLimits } from '#protocol/limits.ts'
import type { RandomAccess } from '../dicom/data-set.ts'
import type { Log } from '../log.ts'
import type { ByteRange } from './archive.ts'
import type { InstanceRow } from './catalog-rows.ts'
import type { Catalog } from './catalog.ts'
import { chunkDigestsApart, digestBytes } from './chunk-digests.ts'
import type { Loans } from './loans.ts'
import { chunkOffset, type RecordLocation } from './log-record.ts'
import type { RecentWindows } from './recent-windows.ts'
import type { Repair } from './repair.ts'
import type { ValueLog } from './value-log.ts'

export type ReadParts = {
  valueLog: Pick<ValueLog, 'read'>
  catalog: Pick<Catalog, 'chunks' | 'receivedInstance'>
  log: Log
  repair: Pick<Repair, 'instance'>
  loans: Loans
  recent: RecentWindows
  /** Bytes that were read. */
  count: (bytes: number) => void
}

const { chunkBytes } = storageLimits
const windowChunks = storageLimits.windowBytes / chunkBytes

/** The digests that the chunks of an instance must have, one behind the other; they themselves must have its root. */
export function chunkDigests({ catalog }: ReadParts, row: InstanceRow): Buffer {
  const digests = catalog.chunks(row.sop)
  if (digests === undefined || hash('sha256', digests) !== row.sha256) {
    throw new ProtocolError('storage_corrupt', 'the chunk digests of an instance were altered')
  }
  return digests
}

/** Bytes of a range, a window of chunks at a time; while one is handed out the next is read. */
export async function* readRange(
  parts: ReadParts,
  row: InstanceRow,
  { offset, length }: ByteRange,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  if (offset < 0 || length < 0 || offset + length > row.bytes) {
    throw new ProtocolError('bad_request', 'the range is outside the instance')
  }
  if (length === 0) return
  const digests = chunkDigests(parts, row)
  const end = offset + length
  const behind = Math.ceil(end / chunkBytes)
  const begin = (first: number): Window | undefined =>
    first < behind ? { first, count: Math.min(windowChunks, behind - first), digests } : undefined
  let window = begin(Math.floor(offset / chunkBytes))
  let next = window && readWindow(parts, row, window)
  while (window !== undefined && next !== undefined) {
    if (signal?.aborted === true) throw new ProtocolError('aborted', 'reading was given up')
    const { bytes, isKept }: Read = await next
    const start = window.first * chunkBytes
    window = begin(window.first + window.count)
    next = window && readWindow(parts, row, window)
    // Whoever stops early never asks for it.
    next?.catch(() => {})
    const piece = bytes.subarray(
      Math.max(0, offset - start),
      Math.min(bytes.byteLength, end - start),
    )
    if (!isKept) parts.loans.lend(piece)
    yield piece
  }
}

/** Chunks that are read in one go, and the digests of all of the instance's. */
type Window = { first: number; count: number; digests: Buffer }

/** `isKept`: others look at these bytes as well. */
type Read = { bytes: Buffer; isKept: boolean }

async function readWindow(parts: ReadParts, row: InstanceRow, window: Window): Promise<Read> {
  const { first, count } = window
  const known = parts.recent.get(row.sha256, first)
  const bytesHere = Math.min(count * chunkBytes, row.bytes - first * chunkBytes)
  if (known !== undefined && known.byteLength >= bytesHere) {
    return { bytes: known.subarray(0, bytesHere), isKept: true }
  }
  const bytes = await readAnew(parts, row, window)
  return { bytes, isKept: parts.recent.keep(row.sha256, first, bytes, row.bytes) }
}

/** What cannot be read together is read chunk by chunk: only what is damaged is repaired. */
async function readAnew(parts: ReadParts, row: InstanceRow, window: Window): Promise<Buffer> {
  const { first, count, digests } = window
  const whole = count > 1 ? await tryWindow(parts, row.location, window) : undefined
  if (whole?.bytes !== undefined) return whole.bytes
  const chunks: Buffer[] = []
  for (let index = first; index < first + count; index++) {
    chunks.push(await readChunk(parts, row, { first: index, count: 1, digests }))
  }
  return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks)
}

/** One chunk. It may have moved since the row was read, and what is damaged is repaired. */
async function readChunk(parts: ReadParts, row: InstanceRow, chunk: Window): Promise<Buffer> {
  const current = () => parts.catalog.receivedInstance(row.sop) ?? row
  const attempt = async (location: RecordLocation): Promise<Buffer | undefined> => {
    const { bytes, problem } = await tryWindow(parts, location, chunk)
    if (bytes !== undefined) return bytes
    const { segment, offset } = location
    const about = { segment, offset, chunk: chunk.first, err: problem }
    parts.log.error(about, 'a part of an instance was not read')
    return undefined
  }
  const bytes =
    (await attempt(row.location)) ??
    (await attempt(current().location)) ??
    ((await parts.repair.instance(row.sop)) && (await attempt(current().location)))
  if (bytes instanceof Buffer) return bytes
  throw new ProtocolError('storage_corrupt', 'the bytes of an instance were altered')
}

/** Bytes of which every chunk has its digest, or why there are none. */
async function tryWindow(
  parts: ReadParts,
  location: RecordLocation,
  window: Window,
): Promise<{ bytes?: Buffer; problem?: unknown }> {
  const { first, count, digests: expected } = window
  try {
    const read = await readBytes(parts, location, window)
    parts.count(read.byteLength)
    const digests = await chunkDigestsApart(read)
    const from = first * digestBytes
    const isRight = expected.subarray(from, from + count * digestBytes).compare(digests) === 0
    return isRight ? { bytes: read } : {}
  } catch (problem) {
    return { problem }
  }
}

/** As they lie in the log; fewer than there should be when its file ends too soon. */
async function readBytes(
  { valueLog, loans }: ReadParts,
  location: RecordLocation,
  { first, count }: Window,
): Promise<Buffer<ArrayBuffer>> {
  const start = first * chunkBytes
  const length = Math.min(count * chunkBytes, location.bytes - start)
  // What is kept takes no more memory than it needs.
  const isKept = location.bytes <= storageLimits.recentInstanceBytes
  const bytes = isKept ? Buffer.allocUnsafeSlow(length) : loans.take(length)
  // The pieces of a streamed record have their lengths between them.
  const pieceBytes = location.streamed ? chunkBytes : bytes.byteLength
  let filled = 0
  while (filled < bytes.byteLength) {
    const piece = bytes.subarray(filled, filled + pieceBytes)
    const at = chunkOffset(location, first + filled / chunkBytes)
    const read = await valueLog.read(location.segment, piece, at)
    filled += read
    if (read < piece.byteLength) break
  }
  return bytes.subarray(0, filled)
}

/** Of what was read as a whole a while ago. */
function recentChunk({ recent }: ReadParts, row: InstanceRow, index: number): Buffer | undefined {
  const first = index - (index % windowChunks)
  const start = (index - first) * chunkBytes
  const length = Math.min(chunkBytes, row.bytes - index * chunkBytes)
  const chunk = recent.get(row.sha256, first)?.subarray(start, start + length)
  return chunk?.byteLength === length ? chunk : undefined
}

const cachedChunks = 4

/** Small reads of one instance: chunks that were verified are kept for the next one. */
export function randomAccess(parts: ReadParts, row: InstanceRow): RandomAccess {
  const digests = chunkDigests(parts, row)
  const cache = new Map<number, Buffer>()

  async function chunk(index: number): Promise<Buffer> {
    const found =
      cache.get(index) ??
      recentChunk(parts, row, index) ??
      (await readChunk(parts, row, { first: index, count: 1, digests }))
    cache.set(index, found)
    for (const oldest of cache.keys()) {
      if (cache.size <= cachedChunks) break
      cache.delete(oldest)
    }
    return found
  }

  return {
    bytes: row.bytes,
    async read(offset, length) {
      const end = Math.min(offset + length, row.bytes)
      const parts: Buffer[] = []
      for (let at = offset; at < end;) {
        const index = Math.floor(at / chunkBytes)
        const start = at - index * chunkBytes
        const part = (await chunk(index)).subarray(start, Math.min(chunkBytes, start + end - at))
        parts.push(part)
        at += part.byteLength
      }
      return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts)
    },
  }
}
