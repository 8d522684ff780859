import { createHash } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'
import type { RouterContext } from '@koa/router'
import type { SessionUser } from '../access/session-user.ts'
import { dicomwebLimits } from '#protocol/limits.ts'
import type { ByteRange } from '../archive/archive.ts'
import { giveBack } from '../archive/loans.ts'
import type { Content } from './content.ts'
import { parseRange } from './ranges.ts'

/** Set before these routes by the HTTP application. */
export type State = { user: SessionUser }
export type Context = RouterContext<State>

/** The client's own name of an answer, for `If-None-Match` and `If-Range`. */
export const entityTag = (...parts: readonly string[]): string =>
  `"${createHash('sha256').update(parts.join('\n')).digest('base64url').slice(0, 32)}"`

/** Answers 304 when the client has this already, or wants nothing that exists (`*`, RFC 9110 §13.1.2). */
export function isUnchanged(ctx: Context, etag: string): boolean {
  ctx.set('ETag', etag)
  ctx.vary('Accept')
  ctx.set('Cache-Control', 'private, no-cache')
  const known = ctx.get('If-None-Match').split(',')
  const tags = known.map((one) => one.trim().replace(/^W\//, ''))
  if (!tags.includes(etag) && !tags.includes('*')) return false
  ctx.status = 304
  return true
}

/**
 * Sends content as it is read; `release` is called when it was sent, when reading failed and when the client went away.
 * A failure after the first byte ends the connection: half an image must not look like a whole one.
 */
export async function sendContent(
  ctx: Context,
  { type, content, isRangeable }: Answer,
  release: () => Promise<void>,
): Promise<void> {
  ctx.status = 200
  const { bytes } = content
  const isPartial = isRangeable && bytes !== undefined
  const range = isPartial ? rangeOf(ctx, bytes) : { offset: 0, length: bytes ?? 0 }
  if (range === undefined || ctx.method === 'HEAD') {
    ctx.set('Content-Type', type)
    if (range !== undefined && bytes !== undefined) ctx.length = range.length
    return release()
  }
  const pieces = await begun(content.read(range))
  ctx.set('Content-Type', type)
  if (bytes !== undefined) ctx.length = range.length
  // Written here: pieces that were lent are given back when they are sent, which no stream tells.
  ctx.respond = false
  try {
    await sendPieces(ctx.res, pieces)
  } finally {
    await release()
  }
}

/** What is shorter waits for what comes after it: one write for both. */
const aloneBytes = 16 * 1024

/** Ends quietly when the client goes away. */
async function sendPieces(
  answer: ServerResponse,
  pieces: AsyncIterable<Uint8Array>,
): Promise<void> {
  // Of one that went away while the first bytes were read nothing more is heard.
  if (answer.destroyed) return
  const closed = new Promise<void>((resolve) => answer.once('close', resolve))
  try {
    for await (const piece of ahead(pieces)) {
      if (answer.destroyed) return
      if (answer.writableCorked === 0) answer.cork()
      const isFlowing = answer.write(piece, () => giveBack(piece))
      if (piece.byteLength >= aloneBytes || !isFlowing) answer.uncork()
      if (!isFlowing) await drained(answer, closed)
    }
    // The last chunk would come before what waits.
    if (answer.writableCorked > 0) answer.uncork()
    answer.end()
    await closed
  } catch (error) {
    if (answer.destroyed) return
    // Half an answer must not look like a whole one.
    answer.destroy()
    throw error
  }
}

/** Asks for the next pieces while one is sent: those between two instances are short. */
async function* ahead(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const iterator = pieces[Symbol.asyncIterator]()
  const asked: Promise<IteratorResult<Uint8Array>>[] = []
  try {
    for (;;) {
      while (asked.length < dicomwebLimits.piecesAhead) {
        const next = iterator.next()
        // Looked at in its turn, or never.
        next.catch(() => undefined)
        asked.push(next)
      }
      const next = await asked.shift()
      if (next === undefined || next.done === true) return
      yield next.value
    }
  } finally {
    await iterator.return?.()
  }
}

async function drained(answer: ServerResponse, closed: Promise<void>): Promise<void> {
  if (!answer.writableNeedDrain || answer.destroyed) return
  await Promise.race([closed, new Promise<void>((resolve) => answer.once('drain', resolve))])
}

/** A part's headers, a file's header, and the first bytes that were stored. */
const chunksBegun = 3

/** Reads the first bytes before the answer begins, so that a holder out of reach is an error with a name. */
async function begun(bytes: AsyncIterable<Uint8Array>): Promise<AsyncIterable<Uint8Array>> {
  const iterator = bytes[Symbol.asyncIterator]()
  const first: Uint8Array[] = []
  while (first.length < chunksBegun) {
    const next = await iterator.next()
    if (next.done === true) break
    first.push(next.value)
  }
  return {
    async *[Symbol.asyncIterator]() {
      try {
        yield* first
        for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) {
          yield next.value
        }
      } finally {
        await iterator.return?.()
      }
    },
  }
}

export type Answer = {
  type: string
  content: Content
  /** One thing, of which a part may be asked for. */
  isRangeable: boolean
}

/** Sets the status; nothing when the range cannot be had. */
function rangeOf(ctx: Context, bytes: number): ByteRange | undefined {
  const whole = { offset: 0, length: bytes }
  ctx.set('Accept-Ranges', 'bytes')
  const header = ctx.get('Range')
  const condition = ctx.get('If-Range')
  if (header === '' || (condition !== '' && condition !== ctx.response.get('ETag'))) return whole
  const range = parseRange(header, bytes)
  if (range === 'whole') return whole
  if (range === 'unsatisfiable') {
    ctx.status = 416
    ctx.set('Content-Range', `bytes */${bytes}`)
    return undefined
  }
  ctx.status = 206
  ctx.set('Content-Range', `bytes ${range.offset}-${range.offset + range.length - 1}/${bytes}`)
  return range
}

/** Says what the answer is not, beside what it is (RFC 9111 §5.5 as PS3.18 uses it). */
export const warn = (ctx: Context, warning: string): void => {
  ctx.append('Warning', `299 cami "${quotable(warning)}"`)
}

/** Header values are ASCII; an organization's name is not. */
const quotable = (text: string): string =>
  text.replaceAll(/[^\x20-\x7e]/gu, (char) => encodeURIComponent(char)).replaceAll(/["\\]/g, "'")

const compress = { br: promisify(brotliCompress), gzip: promisify(gzip) }
const compressMinBytes = 1024

/** JSON in the DICOM model, compressed when the client can read that: metadata shrinks to a tenth. */
export const sendJson = (ctx: Context, value: unknown): Promise<void> =>
  sendJsonText(ctx, JSON.stringify(value))

export async function sendJsonText(ctx: Context, text: string): Promise<void> {
  const bytes = Buffer.from(text)
  ctx.vary('Accept-Encoding')
  const encoding =
    bytes.length < compressMinBytes ? false : ctx.acceptsEncodings('br', 'gzip', 'identity')
  if (encoding === 'br' || encoding === 'gzip') {
    const params = { [constants.BROTLI_PARAM_QUALITY]: 4 }
    ctx.set('Content-Encoding', encoding)
    ctx.body = encoding === 'br' ? await compress.br(bytes, { params }) : await compress.gzip(bytes)
  } else {
    ctx.body = bytes
  }
  ctx.set('Content-Type', 'application/dicom+json')
}
