import { createHash, hash } from 'node:crypto'
import { codeOf, ProtocolError } from '#protocol/errors.ts'
import type { Sha256, SopUid, StudyUid } from '#protocol/ids.ts'
import { storageLimits } from '#protocol/limits.ts'
import type { DicomJson } from '../dicom/dicom-json.ts'
import type { Log } from '../log.ts'
import type { Origin } from './archive.ts'
import * as keys from './catalog-keys.ts'
import type { EntryRow, Filing, InstanceRow, QuarantineRow } from './catalog-rows.ts'
import type { Catalog } from './catalog.ts'
import type { InstanceHeader } from './filing.ts'
import { entryRecord, filingRecord, spanOf, tombstoneRecord } from './filing.ts'
import {
  createRecord,
  decodeHeader,
  decodePrefix,
  encodeHeader,
  prefixBytes,
} from './log-record.ts'
import type { RecordLocation } from './log-record.ts'
import { readChunkBytes } from './salvage.ts'
import type { Appended } from './segment-writer.ts'
import type { Sequence } from './sequence.ts'
import type { ValueLog } from './value-log.ts'

const { chunkBytes } = storageLimits

/** What is looked for elsewhere: bytes of that digest, and where they lay in this archive's log. */
export type Wanted = { sha256: Sha256; bytes: number; location: RecordLocation }
/** Bytes from somewhere else; they are compared with the digest before they count. */
export type FindCopy = (wanted: Wanted) => Promise<AsyncIterable<Uint8Array> | undefined>

export type Finding =
  | { kind: 'damaged' | 'repaired'; study?: StudyUid; sop?: SopUid; segment: number }
  | { kind: 'catalog-repaired'; rows: number }

/** Gives altered records their bytes back, as new records that take the place of the old ones. */
export type Repair = {
  /** Resolves with whether the instance is whole now; marks it when it is not. At most one attempt at a time. */
  instance(sop: string): Promise<boolean>
  quarantined(row: QuarantineRow): Promise<boolean>
  entry(seq: number, row: EntryRow): Promise<boolean>
}

export type RepairParts = {
  valueLog: Pick<ValueLog, 'read' | 'append' | 'stream'>
  catalog: Catalog
  sequence: Sequence
  findCopy: FindCopy
  clock: () => number
  log: Log
  found: (finding: Finding) => void
}

/** An instance of which everything but its bytes is known. */
type Known = {
  entry: Omit<InstanceRow, 'seq' | 'location'>
  seq: number
  location: RecordLocation
  attributes: DicomJson
  chunks: Buffer
  origin?: Origin
  reason?: Filing['reason']
}

export function createRepair(parts: RepairParts): Repair {
  const { catalog, clock, log, found } = parts
  const running = new Map<string, Promise<boolean>>()

  async function attempt(known: Known): Promise<boolean> {
    const { study, sop } = known.entry
    const { segment, offset } = known.location
    try {
      await restore(parts, known)
      log.warn({ segment, offset }, 'an instance was repaired')
      found({ kind: 'repaired', study, sop, segment })
      return true
    } catch (error) {
      log.error({ segment, offset, code: codeOf(error) }, 'an instance is damaged')
      if (known.reason === undefined) await catalog.markCorrupt(sop, { at: clock() })
      found({ kind: 'damaged', study, sop, segment })
      return false
    }
  }

  return {
    instance(sop) {
      const earlier = running.get(sop)
      if (earlier !== undefined) return earlier
      const known = knownOf(catalog, sop)
      if (known === undefined) return Promise.resolve(false)
      const task = attempt(known).finally(() => running.delete(sop))
      running.set(sop, task)
      return task
    },
    async quarantined(row) {
      const { entry, seq, location, origin, reason } = row
      const chunks = catalog.inspect(keys.quarantineChunksKey(seq))
      if (chunks === undefined || chunks === 'altered') return false
      const { attributes } = entry
      return await attempt({ entry, seq, location, attributes, chunks, origin, reason })
    },
    async entry(seq, { location, sha256 }) {
      const { segment } = location
      try {
        const payload = await gather(parts, { sha256, bytes: location.bytes, location })
        const appended = await parts.valueLog.append([entryRecord(seq, payload)])
        await catalog.apply({ kind: 'entry', seq, ...placeOf(appended), sha256 })
        log.warn({ segment }, 'an index entry was repaired')
        found({ kind: 'repaired', segment })
        return true
      } catch (error) {
        log.error({ segment, code: codeOf(error) }, 'an index entry is damaged')
        found({ kind: 'damaged', segment })
        return false
      }
    },
  }
}

function knownOf(catalog: Catalog, sop: string): Known | undefined {
  const row = catalog.receivedInstance(sop)
  const chunks = row && catalog.chunks(row.sop)
  if (row === undefined || chunks === undefined) return undefined
  const { seq, location, attributes, reason } = row
  // What was released from quarantine stays a quarantine entry: its copy is filed as one.
  return { entry: row, seq, location, attributes, chunks, ...(reason !== undefined && { reason }) }
}

/** Appends what stands for the old record, and lets the catalog point at it. */
async function restore(parts: RepairParts, known: Known): Promise<void> {
  const { valueLog, catalog, sequence } = parts
  const { attributes, chunks } = known
  const header = await headerOf(parts, known)
  const copy = sequence.next()
  try {
    const filing: Filing = { ...filingOf(known, header.origin), copy }
    const { evicted } = filing
    const appended =
      evicted === undefined
        ? await appendCopy(parts, { known, header, filing })
        : await valueLog.append([tombstoneRecord({ ...filing, evicted }, attributes, chunks)])
    await catalog.apply({ kind: 'instance', filing, attributes, chunks, ...placeOf(appended) })
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

async function appendCopy(
  parts: RepairParts,
  { known, header, filing }: Copying,
): Promise<Appended[]> {
  const { entry, location, attributes, chunks } = known
  const wanted: Wanted = { sha256: entry.sha256, bytes: entry.bytes, location }
  const follower = filingRecord(filing, attributes, chunks)
  const isOwnWhole = await isWhole(parts, known)
  if (entry.bytes <= storageLimits.gatherBytes) {
    const payload = isOwnWhole ? await ownBytes(parts, location) : await gather(parts, wanted)
    return await parts.valueLog.append([createRecord('instance', header, payload), follower])
  }
  const source = isOwnWhole ? ownChunks(parts, location) : await find(parts, wanted)
  const stream = await parts.valueLog.stream('instance', encodeHeader(header))
  try {
    const whole = createHash('sha256')
    for await (const piece of piecesOf(source, entry.bytes)) {
      whole.update(piece)
      await stream.write([piece])
    }
    const sha256 = whole.digest()
    checkDigest(sha256.toString('hex'), wanted)
    return await stream.end({ bytes: entry.bytes, sha256 }, [follower])
  } catch (error) {
    await stream.abort()
    throw error
  }
}

/** Whether the bytes are all right where they lie, and only the record around them is not. */
async function isWhole({ valueLog }: RepairParts, { location, chunks }: Known): Promise<boolean> {
  let index = 0
  try {
    for await (const chunk of ownChunks({ valueLog }, location)) {
      const digest = hash('sha256', chunk, 'buffer')
      if (digest.compare(chunks, index * 32, (index + 1) * 32) !== 0) return false
      index++
    }
  } catch {
    return false
  }
  return index * 32 === chunks.byteLength
}

async function* ownChunks(
  { valueLog }: Pick<RepairParts, 'valueLog'>,
  location: RecordLocation,
): AsyncGenerator<Buffer> {
  for (let i = 0; i * chunkBytes < location.bytes; i++) {
    yield await readChunkBytes(valueLog, location, i)
  }
}

async function ownBytes(parts: RepairParts, location: RecordLocation): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of ownChunks(parts, location)) chunks.push(chunk)
  return Buffer.concat(chunks)
}

async function find(parts: RepairParts, wanted: Wanted): Promise<AsyncIterable<Uint8Array>> {
  const copy = await parts.findCopy(wanted)
  if (copy !== undefined) return copy
  throw new ProtocolError('storage_corrupt', 'nobody has a copy of these bytes')
}

async function gather(parts: RepairParts, wanted: Wanted): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  for await (const piece of piecesOf(await find(parts, wanted), wanted.bytes)) pieces.push(piece)
  const payload = Buffer.concat(pieces)
  checkDigest(hash('sha256', payload), wanted)
  return payload
}

function checkDigest(found: string, { sha256 }: Wanted): void {
  if (found === sha256) return
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
  const { study, series, sop, sopClass, transferSyntax, bytes, sha256, chunksRoot } = entry
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
    chunksRoot,
    chunks: chunks.byteLength / 32,
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
async function headerOf(parts: RepairParts, known: Known): Promise<InstanceHeader> {
  const { entry, location, origin } = known
  const { sopClass, sop: sopUid, transferSyntax, receivedAt, device } = entry
  const header = { sopClass, sopUid, transferSyntax, receivedAt }
  const found = origin ?? (await readOrigin(parts, location))
  if (found !== undefined) return { ...header, origin: found }
  const sender = { callingAe: '', calledAe: '', address: '', association: '' }
  return device === undefined
    ? { ...header, origin: { kind: 'media', path: '' } }
    : { ...header, origin: { kind: 'dimse', ...sender, device } }
}

async function readOrigin(
  { valueLog }: RepairParts,
  { segment, offset }: RecordLocation,
): Promise<Origin | undefined> {
  const prefix = Buffer.alloc(prefixBytes)
  const read = await valueLog.read(segment, prefix, offset).catch(() => 0)
  const headerBytes = decodePrefix(prefix.subarray(0, read), prefix.subarray(4, 12))?.headerBytes
  if (headerBytes === undefined) return undefined
  const head = Buffer.alloc(prefixBytes + headerBytes)
  await valueLog.read(segment, head, offset)
  return decodeHeader(head)?.['origin'] as Origin | undefined
}
