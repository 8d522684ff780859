import { randomUUID } from 'node:crypto'
import type { ByteRange } from '../archive/archive.ts'
import type { Form } from './negotiation.ts'

/** Bytes to be sent, of known length, read only when they are wanted. */
export type Content = { bytes: number; read(range: ByteRange): AsyncIterable<Uint8Array> }

/** One part of an answer. */
export type Part = { type: string; location: string; content: Content }

export const contentOf = (bytes: Uint8Array): Content => ({
  bytes: bytes.length,
  async *read({ offset, length }) {
    if (length > 0) yield bytes.subarray(offset, offset + length)
  },
})

export const joined = (contents: readonly Content[]): Content => ({
  bytes: contents.reduce((sum, { bytes }) => sum + bytes, 0),
  async *read({ offset, length }) {
    let start = 0
    for (const content of contents) {
      const from = Math.max(0, offset - start)
      const to = Math.min(content.bytes, offset + length - start)
      if (from < to) yield* content.read({ offset: from, length: to - from })
      start += content.bytes
    }
  },
})

/** `multipart/related` (RFC 2387, PS3.18 §8.6.1.2), its length known before a byte is read. */
export function multipartOf(
  parts: readonly Part[],
  form: Form,
): { type: string; content: Content } {
  const boundary = randomUUID()
  const contents = parts.flatMap(({ type, location, content }, index) => {
    const lines = [
      `${index === 0 ? '' : '\r\n'}--${boundary}`,
      `Content-Type: ${type}`,
      `Content-Length: ${content.bytes}`,
      `Content-Location: ${location}`,
    ]
    return [contentOf(Buffer.from(`${lines.join('\r\n')}\r\n\r\n`)), content]
  })
  const end = contentOf(Buffer.from(`\r\n--${boundary}--\r\n`))
  return {
    type: `multipart/related; type="${form.type}"; boundary=${boundary}`,
    content: joined([...contents, end]),
  }
}
