import { ProtocolError } from '#protocol/errors.ts'
import type { Sha256 } from '#protocol/ids.ts'
import { storageLimits } from '#protocol/limits.ts'
import type { DicomJson } from '../dicom/dicom-json.ts'
import type { Evicted, Origin } from './archive.ts'
import * as keys from './catalog-keys.ts'
import type { Filing, InstanceRow, QuarantineRow } from './catalog-rows.ts'
import type { Catalog } from './catalog.ts'
import { chunkDigest, digestBytes, digestOfChunks } from './chunk-digests.ts'
import { filingRecord, spanOf, tombstoneRecord } from './filing.ts'
import type { InstanceHeader } from './filing.ts'
import {
  createRecord,
  decodeHeader,
  decodePrefix,
  encodeHeader,
  endOf,
  prefixBytes,
} from './log-record.ts'
import type { NewRecord, RecordLocation } from './log-record.ts'
import { readChunkBytes } from './salvage.ts'
import type { Appended } from './segment-writer.ts'
import type { Sequence } from './sequence.ts'
import type { ValueLog } from './value-log.ts'

const { chunkBytes } = storageLimits

/** What is looked for elsewhere: bytes of that digest, and where they lay in this archive's log. */
export type Wanted = { sha256: Sha256; bytes: number; location: RecordLocation }
/** Bytes from somewhere else; they are compared with the digest before they count. */
export type FindCopy = (wanted: Wanted) => Promise<AsyncIterable<Uint8Array> | undefined>

export type CopyParts = {
  valueLog: Pick<ValueLog, 'read' | 'append' | 'stream'>
  catalog: Pick<Catalog, 'apply' | 'receivedInstance' | 'chunks' | 'inspect'>
  sequence: Sequence
  findCopy: FindCopy
}

/** An instance of which everything but its bytes is known. */
export type Known = {
  entry: Omit<InstanceRow, 'seq' | 'location'>
  seq: number
  location: RecordLocation
  attributes: DicomJson
  chunks: Buffer
  origin?: Origin
  reason?: Filing['reason']
}

export function knownInstance(catalog: CopyParts['catalog'], sop: string): Known | undefined {
  const row = catalog.receivedInstance(sop)
  const chunks = row && catalog.chunks(row.sop)
  if (row === undefined || chunks === undefined) return undefined
  const { seq, location, attributes, reason } = row
  // What was released from quarantine stays a quarantine entry: its copy is filed as one.
  return { entry: row, seq, location, attributes, chunks, ...(reason !== undefined && { reason }) }
}

export function knownQuarantined(
  catalog: CopyParts['catalog'],
  { entry, seq, location, origin, reason }: QuarantineRow,
): Known | undefined {
  const chunks = catalog.inspect(keys.quarantineChunksKey(seq))
  if (chunks === undefined || chunks === 'altered') return undefined
  const { attributes } = entry
  return { entry, seq, location, attributes, chunks, origin, reason }
}

/**
 * Appends a record that takes the place of the one an instance has: with its bytes, or without them when they are (or
 * are said to be from now on) elsewhere. The catalog points at it when it resolves.
 */
export async function copyInstance(
  parts: CopyParts,
  known: Known,
  evicted: Evicted | undefined = known.entry.evicted,
): Promise<void> {
  const { valueLog, catalog, sequence } = parts
  const { attributes, chunks } = known
  const filed = await readFiling(parts, known)
  const header = await headerOf(parts, known, filed)
  const copy = sequence.next()
  try {
    const { at: _, evicted: __, ...facts } = filed ?? filingOf(known, header.origin)
    const filing: Filing = { ...facts, copy }
    const tombstone = evicted && { ...filing, evicted }
    const appended =
      tombstone === undefined
        ? await appendInstance(parts, { known, header, filing })
        : await valueLog.append([tombstoneRecord(tombstone, attributes, chunks)])
    const change = { kind: 'instance', attributes, chunks, ...placeOf(appended) } as const
    await catalog.apply({ ...change, filing: tombstone ?? filing })
  } finally {
    sequence.settle(copy)
  }
}

/** Where records that were appended together begin, and what the catalog has applied with them. */
export function placeOf(appended: readonly Appended[]) {
  const location = appended[0]?.location
  if (location === undefined) throw new ProtocolError('internal', 'nothing was appended')
  return { location, span: spanOf(appended) }
}

type Copying = { known: Known; header: InstanceHeader; filing: Filing }

/** The data set's own bytes when they are whole, else somebody else's; compared with the digest either way. */
async function appendInstance(
  parts: CopyParts,
  { known, header, filing }: Copying,
): Promise<Appended[]> {
  const { entry, location, attributes, chunks } = known
  const wanted: Wanted = { sha256: entry.sha256, bytes: entry.bytes, location }
  const follower = filingRecord(filing, attributes, chunks)
  const isOwnWhole = await isWhole(parts, known)
  if (entry.bytes <= storageLimits.gatherBytes) {
    const payload = isOwnWhole ? await ownBytes(parts, location) : await gather(parts, wanted)
    const own = createRecord('instance', header, payload)
    checkDigest(own, wanted)
    return await parts.valueLog.append([own, follower])
  }
  const source = isOwnWhole ? ownChunks(parts, location) : await find(parts, wanted)
  const stream = await parts.valueLog.stream('instance', encodeHeader(header))
  try {
    const digests: Buffer[] = []
    for await (const piece of piecesOf(source, entry.bytes)) {
      digests.push(chunkDigest(piece))
      await stream.write([piece])
    }
    const sha256 = digestOfChunks(Buffer.concat(digests))
    checkDigest({ sha256 }, wanted)
    return await stream.end({ bytes: entry.bytes, sha256 }, [follower])
  } catch (error) {
    await stream.abort()
    throw error
  }
}

/** Whether the bytes are all right where they lie, and only the record around them is not. */
async function isWhole({ valueLog }: CopyParts, { location, chunks }: Known): Promise<boolean> {
  let index = 0
  try {
    for await (const chunk of ownChunks({ valueLog }, location)) {
      const place = index * digestBytes
      if (chunkDigest(chunk).compare(chunks, place, place + digestBytes) !== 0) return false
      index++
    }
  } catch {
    return false
  }
  return index * digestBytes === chunks.byteLength
}

async function* ownChunks(
  { valueLog }: Pick<CopyParts, 'valueLog'>,
  location: RecordLocation,
): AsyncGenerator<Buffer> {
  for (let i = 0; i * chunkBytes < location.bytes; i++) {
    yield await readChunkBytes(valueLog, location, i)
  }
}

async function ownBytes(parts: CopyParts, location: RecordLocation): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of ownChunks(parts, location)) chunks.push(chunk)
  return Buffer.concat(chunks)
}

async function find(parts: CopyParts, wanted: Wanted): Promise<AsyncIterable<Uint8Array>> {
  const copy = await parts.findCopy(wanted)
  if (copy !== undefined) return copy
  throw new ProtocolError('storage_corrupt', 'nobody has a copy of these bytes')
}

/** Not compared with the digest yet. */
export async function gather(parts: CopyParts, wanted: Wanted): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  for await (const piece of piecesOf(await find(parts, wanted), wanted.bytes)) pieces.push(piece)
  return Buffer.concat(pieces)
}

export function checkDigest(found: Pick<NewRecord, 'sha256'>, { sha256 }: Wanted): void {
  if (Buffer.from(found.sha256).toString('hex') === sha256) return
  throw new ProtocolError('digest_mismatch', 'a copy is not what was looked for')
}

/** Cut to the chunks that a streamed record consists of; refuses what is longer than it should be. */
async function* piecesOf(
  source: AsyncIterable<Uint8Array>,
  bytes: number,
): AsyncGenerator<Uint8Array> {
  let held: Uint8Array = new Uint8Array(0)
  let total = 0
  for await (const part of source) {
    total += part.byteLength
    if (total > bytes) break
    held = held.byteLength === 0 ? part : Buffer.concat([held, part])
    while (held.byteLength >= chunkBytes) {
      yield held.subarray(0, chunkBytes)
      held = held.subarray(chunkBytes)
    }
  }
  if (total !== bytes) throw new ProtocolError('digest_mismatch', 'a copy has another length')
  if (held.byteLength > 0) yield held
}

function filingOf(known: Known, origin: Origin): Filing {
  const { entry, seq, chunks, reason } = known
  const { study, series, sop, sopClass, transferSyntax, bytes, sha256 } = entry
  const { headerBytes, receivedAt, pixel, damaged, evicted } = entry
  return {
    kind: 'instance',
    seq,
    study,
    series,
    sop,
    sopClass,
    transferSyntax,
    bytes,
    sha256,
    chunks: chunks.byteLength / digestBytes,
    headerBytes,
    receivedAt,
    origin,
    ...(reason !== undefined && { reason }),
    ...(pixel !== undefined && { pixel }),
    ...(damaged === true && { damaged }),
    ...(evicted !== undefined && { evicted }),
  }
}

/** The header that the record had; when it is lost too, what the catalog knows of it. */
async function headerOf(parts: CopyParts, known: Known, filed?: Filing): Promise<InstanceHeader> {
  const { entry, location } = known
  const { sopClass, sop: sopUid, transferSyntax, receivedAt, device } = entry
  const header = { sopClass, sopUid, transferSyntax, receivedAt }
  const found = known.origin ?? filed?.origin ?? (await readOrigin(parts, location))
  if (found !== undefined) return { ...header, origin: found }
  const sender = { callingAe: '', calledAe: '', address: '', association: '' }
  return device === undefined
    ? { ...header, origin: { kind: 'media', path: '' } }
    : { ...header, origin: { kind: 'dimse', ...sender, device } }
}

async function readOrigin(parts: CopyParts, location: RecordLocation): Promise<Origin | undefined> {
  return (await readHead(parts, location.segment, location.offset))?.['origin'] as
    | Origin
    | undefined
}

/** The filing as it was written, behind its data set or as a tombstone; undefined when it is lost or elsewhere. */
async function readFiling(parts: CopyParts, known: Known): Promise<Filing | undefined> {
  const { entry, location, seq } = known
  const { segment, offset } = location
  const at = entry.evicted === undefined ? endOf(location) : offset
  const filing = (await readHead(parts, segment, at)) as Filing | undefined
  const isIts =
    filing?.kind === 'instance' &&
    filing.seq === seq &&
    filing.sop === entry.sop &&
    filing.sha256 === entry.sha256
  return isIts ? filing : undefined
}

/** The header of a record, when it is whole. */
async function readHead(
  { valueLog }: Pick<CopyParts, 'valueLog'>,
  segment: number,
  offset: number,
): Promise<Record<string, unknown> | undefined> {
  const prefix = Buffer.alloc(prefixBytes)
  const read = await valueLog.read(segment, prefix, offset).catch(() => 0)
  const headerBytes = decodePrefix(prefix.subarray(0, read), prefix.subarray(4, 12))?.headerBytes
  if (headerBytes === undefined) return undefined
  const head = Buffer.alloc(prefixBytes + headerBytes)
  await valueLog.read(segment, head, offset)
  return decodeHeader(head)
}
