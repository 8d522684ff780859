import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { AuditEvent, type AuditEntry } from '#protocol/audit-event.ts'
import { ProtocolError } from '#protocol/errors.ts'
import { auditLimits } from '#protocol/limits.ts'
import { openAuditWriter, type AuditWriter, type Damage, type Durable } from './audit-writer.ts'
import {
  chainStart,
  type ChainHead,
  decodeLine,
  linesOf,
  type Line,
  SegmentHeader,
  segmentName,
  segmentNumber,
  valueOfLine,
} from './audit-segment.ts'

/**
 * Who read what, and who was refused: an append-only, hash-chained log of its own. Nobody edits it; `verify` names the
 * first record that is not the one that was written.
 */
export type AuditLog = AsyncDisposable & {
  /** Resolves when the record is on the disk; throws `audit_unavailable` when it cannot be put there. */
  append(entry: AuditEntry): Promise<AuditEvent>
  /** Records after number `after`, oldest first. */
  list(options: { after?: number; limit?: number; filter?: AuditFilter }): Promise<AuditEvent[]>
  /** `logged`: a head that stands in the transparency log, which whoever rebuilds all files here cannot change. */
  verify(logged?: ChainHead): Promise<{ ok: true; count: number } | { ok: false; at: number }>
  /** Number of the newest record on the disk. */
  count(): number
  /** The newest record and the chain's digest there. */
  head(): ChainHead
  /** What opening found wrong, if anything; it is also the subject of a record. */
  readonly damage: Damage | undefined
}

export type AuditFilter = Partial<
  Pick<AuditEvent, 'study' | 'user' | 'event' | 'outcome' | 'organization' | 'holder' | 'grant'>
>

export type { Damage } from './audit-writer.ts'

/** Opens the log of a folder; a torn last line, which a power cut leaves, is cut off. */
export async function openAuditLog(
  dir: string,
  {
    clock,
    segmentBytes = auditLimits.segmentBytes,
  }: { clock: () => number; segmentBytes?: number },
): Promise<AuditLog> {
  const writer = await openAuditWriter(dir, { clock, segmentBytes })
  if (writer.damage !== undefined) await writer.append(alertOf(writer.damage))
  const cursor: Cursor = { seq: -1, segment: 0, bytes: 0 }
  return {
    append: async (entry) => writer.append(checked(clip(entry))),
    list: ({ after = 0, limit = auditLimits.resultsMax, filter = {} }) =>
      list(
        dir,
        { after, limit: Math.min(limit, auditLimits.resultsMax), filter },
        { durable: writer.durable(), cursor },
      ),
    verify: (logged) => verifyAgainst(dir, writer, logged),
    count: () => writer.durable().seq,
    head: () => writer.promised(),
    damage: writer.damage,
    [Symbol.asyncDispose]: () => writer[Symbol.asyncDispose](),
  }
}

/** Where the last list of everything ended: who reads on from there does not read the segment again. */
type Cursor = { seq: number; segment: number; bytes: number }

function alertOf(damage: Damage): AuditEntry {
  const isTorn = damage.kind === 'torn-tail'
  return {
    event: 'security-alert',
    outcome: 'failure',
    code: 'storage_corrupt',
    organization: '',
    user: '',
    role: '',
    source: '',
    holder: '',
    detail: isTorn
      ? `audit log: ${damage.bytes} bytes of an unfinished write were cut off`
      : `audit log: records are missing or altered from number ${damage.at}`,
  }
}

const textLimits = {
  organization: 64,
  user: 128,
  role: 32,
  source: 128,
  holder: 64,
  study: 64,
  grant: 26,
  assertion: 26,
  detail: 200,
} as const

/** An event must not be lost because whoever caused it sent long texts: they are cut. */
function clip(entry: AuditEntry): AuditEntry {
  const clipped = Object.entries(entry)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => {
      const max = textLimits[name as keyof typeof textLimits] as number | undefined
      return [name, max !== undefined && typeof value === 'string' ? cut(value, max) : value]
    })
  return Object.fromEntries(clipped) as AuditEntry
}

/** A record that does not fit its own schema would count as altered when it is read. */
function checked(entry: AuditEntry): AuditEntry {
  const parsed = AuditEvent.safeParse({ ...entry, seq: 1, at: 0 })
  if (parsed.success) return entry
  throw new ProtocolError('internal', 'an audit record is not one', { cause: parsed.error })
}

/** Not through the middle of a character, which would have no UTF-8 form. */
const cut = (text: string, max: number) => text.slice(0, max).toWellFormed()

async function segmentsOf(dir: string): Promise<number[]> {
  const numbers = (await readdir(dir)).map(segmentNumber).filter((found) => found !== undefined)
  return numbers.sort((a, b) => a - b)
}

/** Bytes of a segment that are on the disk; sealed ones are there whole. */
const endOf = (segment: number, durable: Durable): number =>
  segment < durable.segment ? Number.MAX_SAFE_INTEGER : durable.bytes

async function list(
  dir: string,
  { after, limit, filter }: { after: number; limit: number; filter: AuditFilter },
  { durable, cursor }: { durable: Durable; cursor: Cursor },
): Promise<AuditEvent[]> {
  const found: AuditEvent[] = []
  const wanted = Object.entries(filter).filter(([, value]) => value !== undefined)
  const isNext = after === cursor.seq && wanted.length === 0
  const known = isNext ? { ...cursor } : undefined
  for (const segment of await segmentsFrom(dir, after, durable)) {
    if (known !== undefined && segment < known.segment) continue
    const file = path.join(dir, segmentName(segment))
    const start = known?.segment === segment ? known.bytes : 0
    let bytes = start
    for await (const line of linesOf(file, endOf(segment, durable), start)) {
      bytes += Buffer.byteLength(line) + 1
      // Most lines are not wanted: the text is looked at before it is parsed.
      if (!wanted.every(([, value]) => line.includes(JSON.stringify(value)))) continue
      const event = AuditEvent.safeParse(valueOfLine(line))
      if (!event.success || event.data.seq <= after) continue
      if (!wanted.every(([name, value]) => event.data[name as keyof AuditFilter] === value))
        continue
      found.push(event.data)
      if (wanted.length === 0) Object.assign(cursor, { seq: event.data.seq, segment, bytes })
      if (found.length >= limit) return found
    }
  }
  return found
}

/** The segments that can hold records after `after`: those before the last one that begins at or before it are not read. */
async function segmentsFrom(dir: string, after: number, durable: Durable): Promise<number[]> {
  const segments = (await segmentsOf(dir)).filter((segment) => segment <= durable.segment)
  let from = 0
  for (const [index, segment] of segments.entries()) {
    const first = await firstOf(path.join(dir, segmentName(segment)))
    if (first !== undefined && first <= after) from = index
  }
  return segments.slice(from)
}

async function firstOf(file: string): Promise<number | undefined> {
  for await (const line of linesOf(file, 4096)) {
    const header = SegmentHeader.safeParse(valueOfLine(line))
    return header.success ? header.data.first : undefined
  }
  return undefined
}

async function verifyAgainst(
  dir: string,
  writer: Pick<AuditWriter, 'durable' | 'promised'>,
  logged: ChainHead | undefined,
): ReturnType<typeof verify> {
  const durable = writer.durable()
  const found = await verify(dir, durable, writer.promised())
  if (!found.ok || logged === undefined) return found
  const against = await verify(dir, durable, logged)
  return against.ok ? found : against
}

/** Reads everything once more and says where it first differs from what was written. */
async function verify(
  dir: string,
  durable: Durable,
  promised: ChainHead,
): Promise<{ ok: true; count: number } | { ok: false; at: number }> {
  let seq = 0
  let digest = chainStart
  let expected = 1
  let isPromised = promised.seq === 0
  for (const segment of await segmentsOf(dir)) {
    if (segment > durable.segment) break
    if (segment !== expected++) return { ok: false, at: seq + 1 }
    let isFirst = true
    for await (const line of linesOf(
      path.join(dir, segmentName(segment)),
      endOf(segment, durable),
    )) {
      const decoded = decodeLine(line, digest, isFirst)
      if (decoded === undefined || !follows(decoded, { segment, seq })) {
        return { ok: false, at: seq + 1 }
      }
      if (decoded.kind === 'event') seq = decoded.event.seq
      digest = decoded.digest
      isFirst = false
      if (seq === promised.seq && digest === promised.digest) isPromised = true
      if (seq > promised.seq && !isPromised) return { ok: false, at: promised.seq }
    }
    if (isFirst) return { ok: false, at: seq + 1 }
  }
  if (seq < promised.seq) return { ok: false, at: seq + 1 }
  return isPromised ? { ok: true, count: seq } : { ok: false, at: seq }
}

function follows(line: Line, { segment, seq }: { segment: number; seq: number }): boolean {
  return line.kind === 'header'
    ? line.header.segment === segment && line.header.first === seq + 1
    : line.event.seq === seq + 1
}
