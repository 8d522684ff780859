import { hash } from 'node:crypto'
import { storageLimits } from '#protocol/limits.ts'
import { digestOfDataSet } from './chunk-digests.ts'

/**
 * One record of the value log:
 *
 *     prefix   magic 4 | salt 8 | version 1 | type 1 | 0 2 | header length 4 | payload length 8 | check 4
 *     header   JSON
 *     payload  as long as the prefix says; a streamed one in pieces: length 4 | bytes, ended by a zero length
 *     trailer  payload length 8 | digest of the payload 32 | chain 32
 *
 * Numbers are big-endian. The salt is the segment's own and random: nobody who sends data sets can plant bytes in
 * one that would pass for a record when a damaged segment is searched for the next good one. `check` is the
 * beginning of SHA-256 over the prefix before it and the header, so a record's end is known even when its payload is
 * damaged. The payload's digest is its SHA-256; of an instance it is over the digests of its chunks. `chain` is
 * SHA-256 over prefix, header, trailer so far and the chain of the record before.
 */
export const recordTypes = {
  segment: 1,
  instance: 2,
  filing: 3,
  overlay: 4,
  tombstone: 5,
  report: 6,
  seal: 7,
  'index-entry': 8,
} as const
export type RecordType = keyof typeof recordTypes

export const magic = Buffer.from('CAMI')
export const version = 2
export const prefixBytes = 32
export const trailerBytes = 72
export const saltBytes = 8
export const chainBytes = 32
/** What the first record of a segment is chained to. */
export const noChain = Buffer.alloc(chainBytes)
/** Pieces of a streamed payload are chunks: each chunk lies contiguous in the file, at an offset that is arithmetic. */
export const pieceBytes = storageLimits.chunkBytes
export const pieceLengthBytes = 4
const streamedMark = 0xffff_ffff_ffff_ffffn

export type RecordPrefix = {
  type: RecordType
  headerBytes: number
  /** Absent: streamed. */
  payloadBytes: number | undefined
}

/** Where a record's payload lies. */
export type RecordLocation = {
  segment: number
  /** Of the record's first byte. */
  offset: number
  /** Of the payload's first byte, or of its first piece's length. */
  payload: number
  bytes: number
  streamed: boolean
}

/** A record before it has a place: its header is already text, so its size is known. */
export type NewRecord = {
  type: RecordType
  header: Buffer
  payload: readonly Uint8Array[]
  bytes: number
  sha256: Uint8Array
}

export const encodeHeader = (header: unknown): Buffer => Buffer.from(JSON.stringify(header))

/** A record with a payload small enough to be one buffer. */
export function createRecord(
  type: RecordType,
  header: unknown,
  payload: Uint8Array = new Uint8Array(0),
): NewRecord {
  return {
    type,
    header: encodeHeader(header),
    payload: [payload],
    bytes: payload.byteLength,
    sha256: type === 'instance' ? digestOfDataSet(payload) : hash('sha256', payload, 'buffer'),
  }
}

/** Prefix and header as they are written. */
export function encodeHead(
  type: RecordType,
  salt: Uint8Array,
  text: Buffer,
  payloadBytes?: number,
): Buffer {
  const head = Buffer.alloc(prefixBytes + text.byteLength)
  magic.copy(head, 0)
  head.set(salt, 4)
  head[12] = version
  head[13] = recordTypes[type]
  head.writeUInt32BE(text.byteLength, 16)
  head.writeBigUInt64BE(payloadBytes === undefined ? streamedMark : BigInt(payloadBytes), 20)
  text.copy(head, prefixBytes)
  checkOf(head).copy(head, 28)
  return head
}

/** The first four bytes of a digest over everything in the head but the check itself. */
function checkOf(head: Buffer): Buffer {
  const covered = Buffer.concat([head.subarray(0, 28), head.subarray(prefixBytes)])
  return hash('sha256', covered, 'buffer').subarray(0, 4)
}

const typeNames = new Map(
  Object.entries(recordTypes).map(([name, code]) => [code as number, name as RecordType]),
)

/** Undefined when these bytes begin no record of the segment with that salt. */
export function decodePrefix(bytes: Buffer, salt: Uint8Array): RecordPrefix | undefined {
  if (bytes.byteLength < prefixBytes || bytes.compare(magic, 0, 4, 0, 4) !== 0) return undefined
  if (bytes.compare(salt, 0, saltBytes, 4, 12) !== 0 || bytes[12] !== version) return undefined
  const type = typeNames.get(bytes[13] ?? 0)
  const headerBytes = bytes.readUInt32BE(16)
  if (type === undefined || headerBytes > storageLimits.recordHeaderBytes) return undefined
  const length = bytes.readBigUInt64BE(20)
  if (length !== streamedMark && length > BigInt(Number.MAX_SAFE_INTEGER)) return undefined
  return { type, headerBytes, payloadBytes: length === streamedMark ? undefined : Number(length) }
}

/** The header as JSON; undefined when prefix or header were altered. */
export function decodeHeader(head: Buffer): Record<string, unknown> | undefined {
  if (checkOf(head).compare(head, 28, 32) !== 0) return undefined
  try {
    return JSON.parse(head.toString('utf8', prefixBytes)) as Record<string, unknown>
  } catch {
    return undefined
  }
}

export type Trailer = { payloadBytes: number; sha256: Buffer; chain: Buffer }

/** The trailer that ends a record whose predecessor ended with `previous`. */
export function encodeTrailer(
  head: Buffer,
  payload: { bytes: number; sha256: Uint8Array },
  previous: Uint8Array,
): Buffer {
  const trailer = Buffer.alloc(trailerBytes)
  trailer.writeBigUInt64BE(BigInt(payload.bytes), 0)
  trailer.set(payload.sha256, 8)
  const chain = hash('sha256', Buffer.concat([head, trailer.subarray(0, 40), previous]), 'buffer')
  chain.copy(trailer, 40)
  return trailer
}

export function decodeTrailer(bytes: Buffer): Trailer {
  return {
    payloadBytes: Number(bytes.readBigUInt64BE(0)),
    sha256: bytes.subarray(8, 40),
    chain: bytes.subarray(40, trailerBytes),
  }
}

/** File offset of chunk `index` of a payload. */
export function chunkOffset(location: RecordLocation, index: number): number {
  return location.streamed
    ? location.payload + index * (pieceBytes + pieceLengthBytes) + pieceLengthBytes
    : location.payload + index * pieceBytes
}

/** Bytes that a payload takes in the file. */
export function storedBytes(location: Pick<RecordLocation, 'bytes' | 'streamed'>): number {
  if (!location.streamed) return location.bytes
  const pieces = Math.ceil(location.bytes / pieceBytes)
  return location.bytes + (pieces + 1) * pieceLengthBytes
}

/** What a seal takes: its header is always `{}`, so the end of a file tells whether it is sealed. */
export const sealBytes = prefixBytes + 2 + trailerBytes

/** Offset of the byte after a record. */
export const endOf = (location: RecordLocation): number =>
  location.payload + storedBytes(location) + trailerBytes
