import type { Log } from '../log.ts'
import type { Disk, DiskFile } from './disk.ts'
import {
  chainBytes,
  decodeHeader,
  decodePrefix,
  encodeTrailer,
  noChain,
  prefixBytes,
  sealBytes,
} from './log-record.ts'
import type { RecordLocation, RecordType } from './log-record.ts'
import { chainAt, readSalt, scanSegment } from './segment-scan.ts'
import type { ScanEnd, ScannedRecord } from './segment-scan.ts'
import type { SegmentState } from './segment-writer.ts'

/** How far the catalog has applied a segment: the end of a record, and that record's chain. */
export type LogPosition = { offset: number; chain: Buffer }

/** A record with the data set it belongs to, or a data set alone that nothing belongs to. */
export type Replayed = {
  type: RecordType
  header: Record<string, unknown>
  payload: Buffer
  location: RecordLocation
  sha256: Buffer
  instance?: { location: RecordLocation; sha256: Buffer }
  /** What the catalog has applied when it has applied this record. */
  span: LogSpan
}
export type LogSpan = { segment: number; start: number; end: number; chain: Buffer }

/** The catalog claims to have applied what the log does not have: it belongs to another log. */
export class CatalogMismatch extends Error {
  override readonly name = 'CatalogMismatch'
}

export const segmentName = (number: number): string => `${String(number).padStart(8, '0')}.seg`
export const segmentNumber = (name: string): number | undefined => {
  const digits = /^(\d{8})\.seg$/.exec(name)?.[1]
  return digits === undefined ? undefined : Number(digits)
}

type Start = { disk: Disk; log: Log; number: number; position: LogPosition | undefined }
/** A segment after its start: still taking records, complete, or an empty file of a crash while it was made. */
export type Started =
  | { state: 'open'; segment: SegmentState; size: number }
  | { state: 'sealed'; chain: Buffer; size: number }
  | { state: 'unborn'; file: DiskFile }
  | { state: 'unreadable'; size: number }

/** Checks one segment and yields what the catalog has not applied; a torn tail is cut off and reported. */
export async function* startSegment(start: Start): AsyncGenerator<Replayed, Started> {
  const { disk, log, number } = start
  const file = await disk.open(segmentName(number), 'write')
  let keep = false
  try {
    const size = await file.size()
    const salt = await readSalt(file)
    if (start.position !== undefined && (salt === undefined || start.position.offset > size)) {
      // The catalog knows what is lost here. Nothing is cut or written any more: the scrub brings it back.
      log.error({ segment: number, size }, 'a part of the value log is missing')
      return { state: 'unreadable', size }
    }
    if (salt === undefined) {
      keep = size < 4096
      if (keep) return { state: 'unborn', file }
      log.error({ segment: number }, 'a segment of the value log is not readable')
      return { state: 'unreadable', size }
    }
    const from = start.position ?? { offset: 0, chain: noChain }
    const sealChain = await readSeal(file, size, salt)
    if (await isApplied(file, { ...start, size, salt, sealChain })) {
      return { state: 'sealed', chain: sealChain ?? noChain, size }
    }
    const options = { segment: number, salt, payloads: sealChain === undefined, from }
    const end = yield* replay(scanSegment(file, options))
    report(start, end)
    if (sealChain !== undefined) return { state: 'sealed', chain: sealChain, size }
    if (end.end < size) {
      await file.truncate(end.end)
      await file.sync()
    }
    keep = true
    const segment = { number, file, salt, end: end.end, chain: end.chain, reported: end.end }
    return { state: 'open', segment, size: end.end }
  } finally {
    if (!keep) await file.close()
  }
}

export type SegmentCheck = {
  segment: number
  /** Where to begin: the end of a record; absent: at the first one. */
  from?: LogPosition | undefined
  /** Where what is known to be synced ends; absent: at the end of the file. */
  until?: number | undefined
  pace: (bytes: number) => Promise<void>
}

/** Reads a segment from its beginning and compares everything with digests and chain. Never writes. */
export async function* checkSegment(
  file: DiskFile,
  { segment, from = { offset: 0, chain: noChain }, until, pace }: SegmentCheck,
): AsyncGenerator<Replayed, ScanEnd> {
  const size = async () => Math.min(until ?? Infinity, await file.size())
  const salt = await readSalt(file)
  if (salt === undefined) {
    return { state: 'damaged', end: 0, chain: noChain, damage: [{ offset: 0 }] }
  }
  return yield* replay(
    scanSegment({ ...file, size }, { segment, salt, payloads: true, from, pace }),
  )
}

function report({ log, number }: Start, end: ScanEnd): void {
  if (end.state === 'torn') {
    log.warn({ segment: number, offset: end.end }, 'cut an incomplete record off the value log')
  }
  for (const { offset } of end.damage) {
    log.error({ segment: number, offset }, 'a record of the value log is damaged')
  }
}

async function* replay(
  records: AsyncGenerator<ScannedRecord, ScanEnd>,
): AsyncGenerator<Replayed, ScanEnd> {
  let instance: ScannedRecord | undefined
  let start: number | undefined
  for (;;) {
    const next = await records.next()
    // A data set that ends without its filing, or before another's, is handed out alone.
    const isFollowed = next.done !== true && next.value.type === 'filing'
    if (instance !== undefined && !(isFollowed && isFilingOf(next.value, instance))) {
      yield replayed(instance, start ?? instance.start)
      instance = undefined
      start = undefined
    }
    if (next.done) return next.value
    const record = next.value
    start ??= record.start
    if (record.type === 'instance') {
      instance = record
      continue
    }
    if (record.type === 'segment' || record.type === 'seal') continue
    yield { ...replayed(record, start), ...(instance && { instance }) }
    instance = undefined
    start = undefined
  }
}

const isFilingOf = (filing: ScannedRecord, instance: ScannedRecord): boolean =>
  filing.header['sha256'] === instance.sha256.toString('hex') && !('at' in filing.header)

function replayed(record: ScannedRecord, start: number): Replayed {
  const { type, header, location, sha256, chain, end, payload = Buffer.alloc(0) } = record
  const span = { segment: location.segment, start, end, chain }
  return { type, header, payload, location, sha256, span }
}

/** The chain that a sealed segment ends with; undefined when it is not sealed. */
async function readSeal(file: DiskFile, size: number, salt: Buffer): Promise<Buffer | undefined> {
  if (size < sealBytes) return undefined
  const seal = Buffer.alloc(sealBytes)
  await file.read(seal, size - sealBytes)
  const head = seal.subarray(0, prefixBytes + 2)
  if (decodePrefix(head, salt)?.type !== 'seal' || decodeHeader(head) === undefined)
    return undefined
  return seal.subarray(sealBytes - chainBytes)
}

type Claim = Pick<Start, 'log' | 'number'> & {
  size: number
  salt: Buffer
  sealChain: Buffer | undefined
  position: LogPosition | undefined
}

/** Whether the catalog has applied a sealed segment to its end. Throws when the catalog's claim is wrong. */
async function isApplied(file: DiskFile, claim: Claim): Promise<boolean> {
  const { size, position, sealChain } = claim
  if (position === undefined) return false
  await checkClaim(file, claim, position)
  if (sealChain === undefined || position.offset !== size - sealBytes) return false
  const seal = Buffer.alloc(sealBytes)
  await file.read(seal, size - sealBytes)
  const head = seal.subarray(0, prefixBytes + 2)
  const digest = seal.subarray(sealBytes - 64, sealBytes - chainBytes)
  const expected = encodeTrailer(head, { bytes: 0, sha256: digest }, position.chain)
  return expected.compare(seal, prefixBytes + 2) === 0
}

/**
 * The chain of the last record that was applied is compared with the catalog's. Where it differs, what lies before may
 * still lead to the catalog's: then a bit of the chain itself is rotten, and a log that is made anew from it would lose
 * the record as one that was never finished.
 */
async function checkClaim(
  file: DiskFile,
  { log, number, salt }: Claim,
  { offset, chain }: LogPosition,
): Promise<void> {
  const found = Buffer.alloc(chainBytes)
  await file.read(found, offset - chainBytes)
  if (found.compare(chain) === 0) return
  const expected = await chainAt(file, { segment: number, salt }, offset)
  if (expected?.compare(chain) !== 0) {
    throw new CatalogMismatch('the catalog and the value log differ')
  }
  log.error({ segment: number, offset }, 'a record of the value log is damaged')
}
