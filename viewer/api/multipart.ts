/**
 * Taking the first part out of a `multipart/related` body (RFC 2387, PS3.18 §8.6.1). A WADO-RS frame comes as one part;
 * more than one would be an answer to a question we never ask, so the rest is ignored.
 */
export type Part = { headers: Map<string, string>; body: Uint8Array<ArrayBuffer> }

/** A media type with its parameters, names in lower case, quotes removed (RFC 9110 §8.3.1). */
export type MediaType = { type: string; parameters: Map<string, string> }

export function parseMediaType(text: string): MediaType {
  const [type = '', ...rest] = splitOutsideQuotes(text)
  const parameters = new Map<string, string>()
  for (const parameter of rest) {
    const equals = parameter.indexOf('=')
    if (equals < 0) continue
    const name = parameter.slice(0, equals).trim().toLowerCase()
    const value = parameter.slice(equals + 1).trim()
    parameters.set(name, value.replace(/^"(.*)"$/, '$1').replaceAll(/\\(.)/g, '$1'))
  }
  return { type: type.trim().toLowerCase(), parameters }
}

/** Throws when the body does not follow its own boundary: a cut response must not pass as an image. */
export function firstPart(body: Uint8Array<ArrayBuffer>, boundary: string): Part {
  const delimiter = new TextEncoder().encode(`--${boundary}`)
  const start = indexOfBytes(body, delimiter, 0)
  if (start < 0) throw new Error('multipart boundary is missing')
  const headersStart = afterLine(body, start + delimiter.length)
  const blank = new Uint8Array([13, 10, 13, 10])
  // A part without headers begins with the empty line itself.
  const noHeaders = body[headersStart] === 13 && body[headersStart + 1] === 10
  const headersEnd = noHeaders ? headersStart - 2 : indexOfBytes(body, blank, headersStart)
  if (headersEnd < -1) throw new Error('multipart headers do not end')
  const contentStart = headersEnd + 4
  const headers = parseHeaders(body.subarray(headersStart, Math.max(headersStart, headersEnd)))
  const end = contentEnd(body, { contentStart, delimiter, length: headers.get('content-length') })
  return { headers, body: body.slice(contentStart, end) }
}

type Content = { contentStart: number; delimiter: Uint8Array; length: string | undefined }

function contentEnd(body: Uint8Array, { contentStart, delimiter, length }: Content): number {
  const stated = length === undefined ? Number.NaN : Number(length)
  // With a stated length there is no need to search megabytes of pixels for the closing line.
  if (Number.isInteger(stated) && followedBy(body, contentStart + stated, delimiter)) {
    return contentStart + stated
  }
  for (let from = contentStart; ;) {
    const next = indexOfBytes(body, delimiter, from)
    if (next < 0) throw new Error('multipart body is cut')
    if (body[next - 2] === 13 && body[next - 1] === 10) return next - 2
    from = next + 1
  }
}

function followedBy(body: Uint8Array, at: number, delimiter: Uint8Array): boolean {
  if (body[at] !== 13 || body[at + 1] !== 10) return false
  return delimiter.every((byte, index) => body[at + 2 + index] === byte)
}

function afterLine(body: Uint8Array, from: number): number {
  for (let at = from; at + 1 < body.length; at++) {
    if (body[at] === 13 && body[at + 1] === 10) return at + 2
  }
  throw new Error('multipart boundary line does not end')
}

function parseHeaders(bytes: Uint8Array): Map<string, string> {
  const headers = new Map<string, string>()
  for (const line of new TextDecoder().decode(bytes).split('\r\n')) {
    const colon = line.indexOf(':')
    if (colon > 0)
      headers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim())
  }
  return headers
}

function indexOfBytes(body: Uint8Array, wanted: Uint8Array, from: number): number {
  const first = wanted[0]
  if (first === undefined) return -1
  for (let at = body.indexOf(first, from); at >= 0; at = body.indexOf(first, at + 1)) {
    if (wanted.every((byte, index) => body[at + index] === byte)) return at
  }
  return -1
}

function splitOutsideQuotes(text: string): string[] {
  const parts: string[] = []
  let part = ''
  let quoted = false
  for (const char of text) {
    if (char === '"') quoted = !quoted
    if (char === ';' && !quoted) {
      parts.push(part)
      part = ''
    } else part += char
  }
  parts.push(part)
  return parts
}
