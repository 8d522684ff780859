import { randomUUID } from 'node:crypto'
import type { ByteRange } from '../archive/archive.ts'
import type { Form } from './negotiation.ts'

/** Bytes to be sent, read only when they are wanted; of unknown length where they are made then, and then whole. */
export type Content = {
  bytes: number | undefined
  read(range: ByteRange): AsyncIterable<Uint8Array>
}

/** One part of an answer. */
export type Part = { type: string; location: string; content: Content }

export const contentOf = (bytes: Uint8Array): Content => ({
  bytes: bytes.length,
  async *read({ offset, length }) {
    if (length > 0) yield bytes.subarray(offset, offset + length)
  },
})

/** Content that is made when it is wanted. */
export const madeContent = (make: () => AsyncIterable<Uint8Array>): Content => ({
  bytes: undefined,
  read: make,
})

export function joined(contents: readonly Content[]): Content {
  let bytes: number | undefined = 0
  for (const content of contents) {
    bytes = bytes === undefined || content.bytes === undefined ? undefined : bytes + content.bytes
  }
  return {
    bytes,
    read: (range) => (bytes === undefined ? wholes(contents) : parts(contents, range)),
  }
}

async function* wholes(contents: readonly Content[]): AsyncGenerator<Uint8Array> {
  for (const { bytes = 0, read } of contents) yield* read({ offset: 0, length: bytes })
}

async function* parts(
  contents: readonly Content[],
  { offset, length }: ByteRange,
): AsyncGenerator<Uint8Array> {
  let start = 0
  for (const { bytes = 0, read } of contents) {
    const from = Math.max(0, offset - start)
    const to = Math.min(bytes, offset + length - start)
    if (from < to) yield* read({ offset: from, length: to - from })
    start += bytes
  }
}

/** `multipart/related` (RFC 2387, PS3.18 §8.6.1.2), its length known before a byte is read if its parts' are. */
export function multipartOf(
  parts: readonly Part[],
  form: Form,
): { type: string; content: Content } {
  const boundary = randomUUID()
  const contents = parts.flatMap(({ type, location, content }, index) => {
    const lines = [
      `${index === 0 ? '' : '\r\n'}--${boundary}`,
      `Content-Type: ${type}`,
      ...(content.bytes === undefined ? [] : [`Content-Length: ${content.bytes}`]),
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
