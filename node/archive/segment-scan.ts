import { hash } from 'node:crypto'
import { storageLimits } from '#protocol/limits.ts'
import { chunkDigest, digestOfChunks } from './chunk-digests.ts'
import type { DiskFile } from './disk.ts'
import {
  decodeHeader,
  decodePrefix,
  decodeTrailer,
  encodeTrailer,
  endOf,
  magic,
  noChain,
  pieceBytes,
  pieceLengthBytes,
  prefixBytes,
  saltBytes,
  trailerBytes,
} from './log-record.ts'
import type { RecordLocation, RecordPrefix, RecordType } from './log-record.ts'

/** A record as it was found in a segment. */
export type ScannedRecord = {
  type: RecordType
  header: Record<string, unknown>
  location: RecordLocation
  sha256: Buffer
  chain: Buffer
  /** Where the record before it ended. */
  start: number
  end: number
  /** Read and compared with its digest; absent for instances, which are read in chunks. */
  payload?: Buffer
}

/** How a segment ended. */
export type ScanEnd = {
  /** `torn`: the last record is incomplete and nothing follows it; `damaged`: good records follow a bad one. */
  state: 'open' | 'sealed' | 'torn' | 'damaged'
  /** After the last good record. */
  end: number
  chain: Buffer
  damage: { offset: number }[]
}

type RecordOptions = {
  segment: number
  salt: Buffer
  /** Payloads are read and their digests compared; otherwise only the structure and the chain are checked. */
  payloads: boolean
  /** Called with every payload byte count that was read, so that a scrub can pace itself. */
  pace?: (bytes: number) => Promise<void>
}
export type ScanOptions = RecordOptions & { from: { offset: number; chain: Buffer } }

/** Reads the records of a segment one after the other. Never writes. */
export async function* scanSegment(
  file: DiskFile,
  options: ScanOptions,
): AsyncGenerator<ScannedRecord, ScanEnd> {
  const window = createWindow(file, options.payloads ? wholeWindowBytes : headWindowBytes)
  const size = await file.size()
  const damage: { offset: number }[] = []
  let { offset, chain }: { offset: number; chain: Buffer | undefined } = options.from
  let last = options.from.chain
  let end = offset
  let isSealed = false
  while (offset < size) {
    const found = await readRecord({ window, size, offset, chain, options })
    if (found.ok) {
      yield { ...found.record, start: end }
      isSealed = found.record.type === 'seal'
      end = offset = found.record.end
      last = chain = found.record.chain
      continue
    }
    const next = await findNext({ window, size, options, bad: offset, guess: found.guess })
    if (next === undefined) {
      return { state: damage.length > 0 ? 'damaged' : 'torn', end, chain: last, damage }
    }
    damage.push({ offset })
    offset = next
    // What the damaged record was chained to is lost: the next one is checked against the bytes before it or alone.
    chain = undefined
  }
  const state = damage.length > 0 ? 'damaged' : isSealed ? 'sealed' : 'open'
  return { state, end, chain: last, damage }
}

type Reading = {
  window: Window
  size: number
  offset: number
  /** Absent after damage: then the payload's digest alone must hold. */
  chain: Buffer | undefined
  options: RecordOptions
}
type Found = { ok: true; record: Omit<ScannedRecord, 'start'> } | { ok: false; guess?: number }

async function readRecord(reading: Reading): Promise<Found> {
  const { window, size, offset, options } = reading
  const head = await readHead(window, offset, options.salt)
  if (head === undefined) return { ok: false }
  const payload = offset + head.bytes.byteLength
  const { payloadBytes } = head.prefix
  const streamed = payloadBytes === undefined
  const bytes = payloadBytes ?? (await streamedBytes(window, payload, size))
  if (bytes === undefined) return { ok: false }
  const location = { segment: options.segment, offset, payload, bytes, streamed }
  const end = endOf(location)
  if (end > size) return { ok: false }
  const trailer = await window.read(end - trailerBytes, trailerBytes)
  const { payloadBytes: trailed, sha256, chain } = decodeTrailer(trailer)
  if (trailed !== bytes) return { ok: false, guess: end }
  if (reading.chain !== undefined) {
    const expected = encodeTrailer(head.bytes, { bytes, sha256 }, reading.chain)
    if (expected.compare(trailer) !== 0) return { ok: false, guess: end }
  }
  const { header, prefix } = head
  const record = { type: prefix.type, header, location, sha256, chain, end }
  if (prefix.type !== 'instance' && bytes <= storageLimits.recordPayloadBytes) {
    const whole = await window.read(payload, bytes)
    if (hash('sha256', whole, 'buffer').compare(sha256) !== 0) return { ok: false, guess: end }
    return { ok: true, record: { ...record, payload: whole } }
  }
  if (options.payloads || reading.chain === undefined) {
    const digest = await payloadDigest(window, location, options.pace)
    if (digest.compare(sha256) !== 0) return { ok: false, guess: end }
  }
  return { ok: true, record }
}

/**
 * The chain that the record which ends at `end` should have, worked out from all that lies before it; undefined when no
 * record ends there. What it has may be damaged.
 */
export async function chainAt(
  file: DiskFile,
  { segment, salt }: Pick<RecordOptions, 'segment' | 'salt'>,
  end: number,
): Promise<Buffer | undefined> {
  let before: { offset: number; chain: Buffer } = { offset: 0, chain: noChain }
  const size = async () => end
  for await (const record of scanSegment(
    { ...file, size },
    { segment, salt, payloads: false, from: before },
  )) {
    if (record.end === end) return record.chain
    before = { offset: record.end, chain: record.chain }
  }
  const window = createWindow(file)
  const head = await readHead(window, before.offset, salt)
  if (head === undefined) return undefined
  const trailer = await window.read(end - trailerBytes, trailerBytes)
  const { payloadBytes: bytes, sha256 } = decodeTrailer(trailer)
  const streamed = head.prefix.payloadBytes === undefined
  const payload = before.offset + head.bytes.byteLength
  if (endOf({ segment, offset: before.offset, payload, bytes, streamed }) !== end) return undefined
  return decodeTrailer(encodeTrailer(head.bytes, { bytes, sha256 }, before.chain)).chain
}

type Head = { bytes: Buffer; prefix: RecordPrefix; header: Record<string, unknown> }

async function readHead(window: Window, offset: number, salt: Buffer): Promise<Head | undefined> {
  const prefix = decodePrefix(await window.read(offset, prefixBytes), salt)
  if (prefix === undefined) return undefined
  const bytes = await window.read(offset, prefixBytes + prefix.headerBytes)
  if (bytes.byteLength < prefixBytes + prefix.headerBytes) return undefined
  const header = decodeHeader(bytes)
  return header === undefined ? undefined : { bytes, prefix, header }
}

/** Follows the pieces to the zero one; undefined when they are not as a writer leaves them. */
async function streamedBytes(
  window: Window,
  payload: number,
  size: number,
): Promise<number | undefined> {
  let position = payload
  let bytes = 0
  while (position + pieceLengthBytes <= size) {
    const length = (await window.read(position, pieceLengthBytes)).readUInt32BE(0)
    if (length === 0) return bytes
    // Only the last piece may be short: offsets into the payload are computed, not looked up.
    if (length > pieceBytes || bytes % pieceBytes !== 0) return undefined
    bytes += length
    position += pieceLengthBytes + length
  }
  return undefined
}

async function payloadDigest(
  window: Window,
  location: RecordLocation,
  pace?: (bytes: number) => Promise<void>,
): Promise<Buffer> {
  const digests: Buffer[] = []
  const step = location.streamed ? pieceBytes + pieceLengthBytes : pieceBytes
  for (let done = 0, at = location.payload; done < location.bytes; at += step) {
    const length = Math.min(pieceBytes, location.bytes - done)
    const skipped = location.streamed ? pieceLengthBytes : 0
    digests.push(chunkDigest(await window.stream(at + skipped, length)))
    done += length
    await pace?.(length)
  }
  return digestOfChunks(Buffer.concat(digests))
}

type Search = {
  window: Window
  size: number
  options: RecordOptions
  bad: number
  guess?: number | undefined
}

/** The next place where a record begins: behind the bad one if its length can be trusted, else by its salt. */
async function findNext(search: Search): Promise<number | undefined> {
  const { window, size, options, bad, guess } = search
  if (guess !== undefined && (await isWhole(search, guess))) return guess
  const mark = Buffer.concat([magic, options.salt])
  let at = bad + 1
  while (at + prefixBytes <= size) {
    const block = Buffer.from(await window.stream(at, Math.min(pieceBytes, size - at)))
    let hit = block.indexOf(mark)
    while (hit >= 0) {
      if (await isWhole(search, at + hit)) return at + hit
      hit = block.indexOf(mark, hit + 1)
    }
    if (block.byteLength <= mark.byteLength) return undefined
    at += block.byteLength - mark.byteLength + 1
  }
  return undefined
}

/** A head alone proves nothing behind a torn write: pages of a group may have reached the disk in any order. */
async function isWhole({ window, size, options }: Search, offset: number): Promise<boolean> {
  return (await readRecord({ window, size, offset, chain: undefined, options })).ok
}

/** The salt of a segment, from its first record, or from the second when the first one's prefix is damaged. */
export async function readSalt(file: DiskFile): Promise<Buffer | undefined> {
  const start = Buffer.alloc(4096)
  const bytes = start.subarray(0, await file.read(start, 0))
  for (let at = bytes.indexOf(magic); at >= 0; at = bytes.indexOf(magic, at + 1)) {
    const salt = bytes.subarray(at + magic.byteLength, at + magic.byteLength + saltBytes)
    if ((await readHead(createWindow(file), at, salt)) !== undefined) return Buffer.from(salt)
  }
  return undefined
}

type Window = {
  /** A copy of these bytes, or of as many as the file has. */
  read(position: number, length: number): Promise<Buffer>
  /** The same for bulk: not kept, overwritten by the next call. */
  stream(position: number, length: number): Promise<Buffer>
}

/** Trailer, filing and the next record's head lie together. Whoever reads payloads too reads everything. */
const headWindowBytes = 8192
const wholeWindowBytes = 2 * pieceBytes

/** Reads ahead: one read serves whatever of it is asked for. */
function createWindow(file: DiskFile, windowBytes = headWindowBytes): Window {
  let buffer = Buffer.allocUnsafe(windowBytes)
  let start = 0
  let held = 0

  /** What is held already is not read again. */
  async function fetch(position: number, length: number): Promise<Buffer> {
    const from = position - start
    if (from < 0 || from + length > held) {
      const isInside = from >= 0 && from < held
      const left = isInside ? buffer.subarray(from, held) : buffer.subarray(0, 0)
      const next = length > buffer.byteLength ? Buffer.allocUnsafe(length) : buffer
      left.copy(next)
      const kept = left.byteLength
      held = 0
      const read = await file.read(next.subarray(kept), position + kept)
      buffer = next
      start = position
      held = kept + read
    }
    const at = position - start
    return buffer.subarray(at, Math.min(at + length, held))
  }

  return {
    read: async (position, length) => Buffer.from(await fetch(position, length)),
    stream: fetch,
  }
}
