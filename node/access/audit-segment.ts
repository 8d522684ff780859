import { hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { z } from 'zod'
import { AuditEvent } from '#protocol/audit-event.ts'
import { canonicalJson } from '#protocol/canonical-json.ts'
import { Sha256 } from '#protocol/ids.ts'

/**
 * A segment of the audit log is text that an auditor can read and check with ordinary tools. Each line is
 *
 *     <digest> <canonical JSON>\n        digest = SHA-256(digest of the line before ‖ JSON), in hexadecimal
 *
 * The first line of a segment says which segment it is, the number of its first record, and the digest with which the
 * segment before it ended, so a missing segment shows as a missing line does.
 */
export const SegmentHeader = z.strictObject({
  segment: z.int().min(1),
  first: z.int().min(1),
  prev: Sha256,
})
export type SegmentHeader = z.infer<typeof SegmentHeader>

/** Before the first line of all. */
export const chainStart = Sha256.parse('0'.repeat(64))

/** Where a chain has come to: the last record's number and digest. */
export type ChainHead = { seq: number; digest: Sha256 }

const extension = '.audit'
export const segmentName = (segment: number): string =>
  `${String(segment).padStart(8, '0')}${extension}`

export function segmentNumber(name: string): number | undefined {
  const found = /^(\d{8,})\.audit$/.exec(name)
  return found === null ? undefined : Number(found[1])
}

/** A line for `value` after the line with digest `previous`. */
export function encodeLine(value: unknown, previous: Sha256): { line: string; digest: Sha256 } {
  const text = canonicalJson(value)
  const digest = linkOf(previous, text)
  return { line: `${digest} ${text}\n`, digest }
}

function linkOf(previous: Sha256, text: string): Sha256 {
  return hash('sha256', Buffer.concat([Buffer.from(previous, 'hex'), Buffer.from(text)])) as Sha256
}

export type Line =
  | { kind: 'header'; header: SegmentHeader; digest: Sha256 }
  | { kind: 'event'; event: AuditEvent; digest: Sha256 }

/** Undefined when the line is not what was written after the line with digest `previous`. */
export function decodeLine(line: string, previous: Sha256, isFirst: boolean): Line | undefined {
  const text = line.slice(65)
  const digest = line.slice(0, 64)
  if (line[64] !== ' ' || linkOf(previous, text) !== digest) return undefined
  const value = jsonOf(text)
  if (isFirst) {
    const header = SegmentHeader.safeParse(value)
    if (!header.success || header.data.prev !== previous) return undefined
    return { kind: 'header', header: header.data, digest: digest as Sha256 }
  }
  const event = AuditEvent.safeParse(value)
  if (!event.success) return undefined
  return { kind: 'event', event: event.data, digest: digest as Sha256 }
}

/** The value of a line whose place in the chain is not asked about. */
export const valueOfLine = (line: string): unknown => jsonOf(line.slice(65))

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

/** Longer ones are never written. */
const lineBytesMax = 64 * 1024
const lineBreak = 0x0a

/**
 * The lines of a file from byte `start`, where one begins, up to byte `end`; what stands after the last line break is not one. Only the line break ends a
 * line: JSON text may contain the other characters that count as such.
 */
export async function* linesOf(file: string, end: number, start = 0): AsyncGenerator<string> {
  if (end <= start) return
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of createReadStream(file, {
    start,
    end: end - 1,
  }) as AsyncIterable<Buffer>) {
    const bytes = rest.byteLength === 0 ? chunk : Buffer.concat([rest, chunk])
    let from = 0
    for (let at = bytes.indexOf(lineBreak); at !== -1; at = bytes.indexOf(lineBreak, from)) {
      yield bytes.toString('utf8', from, at)
      from = at + 1
    }
    rest = bytes.subarray(from)
    if (rest.byteLength > lineBytesMax) {
      yield rest.toString('utf8')
      return
    }
  }
}
