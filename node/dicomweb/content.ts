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
  const contents = parts.flatMap((part, index) => [head(part, boundary, index === 0), part.content])
  return { type: typeOf(form, boundary), content: joined([...contents, endOf(boundary)]) }
}

/** The same of parts that are found one after the other, as each is wanted; there is one at least. */
export function multipartStream(
  first: Part,
  others: AsyncIterable<Part>,
  form: Form,
): { type: string; content: Content } {
  const boundary = randomUUID()
  const content = madeContent(async function* () {
    yield* wholes([head(first, boundary, true), first.content])
    for await (const part of others) yield* wholes([head(part, boundary, false), part.content])
    yield* wholes([endOf(boundary)])
  })
  return { type: typeOf(form, boundary), content }
}

const typeOf = ({ type }: Form, boundary: string): string =>
  `multipart/related; type="${type}"; boundary=${boundary}`

function head({ type, location, content }: Part, boundary: string, isFirst: boolean): Content {
  const lines = [
    `${isFirst ? '' : '\r\n'}--${boundary}`,
    `Content-Type: ${type}`,
    ...(content.bytes === undefined ? [] : [`Content-Length: ${content.bytes}`]),
    `Content-Location: ${location}`,
  ]
  return contentOf(Buffer.from(`${lines.join('\r\n')}\r\n\r\n`))
}

const endOf = (boundary: string): Content => contentOf(Buffer.from(`\r\n--${boundary}--\r\n`))
