import { WrongRequest } from '#protocol/errors.ts'
import { dicomwebLimits } from '#protocol/limits.ts'

/** One part of a `multipart/related` body as it streams by. What is left unread of it is passed over. */
export type IncomingPart = {
  headers: ReadonlyMap<string, string>
  body: AsyncIterable<Buffer>
}

const doubleEnd = Buffer.from('\r\n\r\n')
const lineEnd = Buffer.from('\r\n')

/** Takes a body apart without holding more of it than a chunk and a part's headers (RFC 2046 §5.1.1). */
export async function* readParts(
  body: AsyncIterable<Uint8Array>,
  boundary: string,
): AsyncGenerator<IncomingPart> {
  const input = createInput(body)
  // The first delimiter may begin the body; with a line end before it all are alike.
  input.unread(lineEnd)
  const delimiter = Buffer.from(`\r\n--${boundary}`)
  await passPreamble(input, delimiter)
  for (let count = 0; await beginsPart(input); count++) {
    if (count >= dicomwebLimits.partsMax) throw malformed('too many parts')
    const headers = parseHeaders(await input.readUntil(doubleEnd, dicomwebLimits.partHeaderBytes))
    const content = readContent(input, delimiter)
    yield { headers, body: content }
    for await (const _ of content) void _
  }
}

async function passPreamble(input: Input, delimiter: Buffer): Promise<void> {
  let passed = 0
  for await (const chunk of readContent(input, delimiter)) {
    passed += chunk.length
    if (passed > dicomwebLimits.preambleBytes) throw malformed('the body has no parts')
  }
}

/** After a delimiter: `--` ends the body, a line end begins a part. */
async function beginsPart(input: Input): Promise<boolean> {
  await input.fill(2)
  if (input.held().subarray(0, 2).toString('latin1') === '--') return false
  const rest = await input.readUntil(lineEnd, 256)
  if (rest.toString('latin1').trim() !== '') throw malformed('a boundary is wrong')
  // Headers may be absent; the empty line then follows at once, and one end of line serves both.
  input.unread(lineEnd)
  return true
}

async function* readContent(input: Input, delimiter: Buffer): AsyncGenerator<Buffer> {
  for (;;) {
    await input.fill(delimiter.length)
    const held = input.held()
    const end = held.indexOf(delimiter)
    if (end >= 0) {
      const last = input.take(end)
      input.take(delimiter.length)
      if (last.length > 0) yield last
      return
    }
    const safe = held.length - delimiter.length + 1
    const part = input.take(safe)
    if (part.length > 0) yield part
    if (!(await input.more())) throw malformed('the body ends within a part')
  }
}

type Input = ReturnType<typeof createInput>

function createInput(body: AsyncIterable<Uint8Array>) {
  const chunks = body[Symbol.asyncIterator]()
  let held: Buffer = Buffer.alloc(0)
  /** Takes the next chunk in; false at the end. */
  async function more(): Promise<boolean> {
    const next = await chunks.next()
    if (next.done === true) return false
    const chunk = Buffer.from(next.value.buffer, next.value.byteOffset, next.value.byteLength)
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk])
    return true
  }
  function take(length: number): Buffer {
    const part = held.subarray(0, length)
    held = held.subarray(length)
    return part
  }
  return {
    held: () => held,
    take,
    more,
    unread(bytes: Buffer) {
      held = Buffer.concat([bytes, held])
    },
    async fill(length: number) {
      while (held.length < length) if (!(await more())) throw malformed('the body ends early')
    },
    /** What stands before `end`, which is taken too. */
    async readUntil(end: Buffer, max: number): Promise<Buffer> {
      for (;;) {
        const at = held.indexOf(end)
        if (at >= 0 && at <= max) {
          const part = take(at)
          take(end.length)
          return part
        }
        if (held.length > max + end.length) throw malformed('the headers of a part are too long')
        if (!(await more())) throw malformed('the body ends within headers')
      }
    },
  }
}

function parseHeaders(bytes: Buffer): Map<string, string> {
  const headers = new Map<string, string>()
  for (const line of bytes.toString('latin1').split('\r\n')) {
    const colon = line.indexOf(':')
    if (colon > 0)
      headers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim())
  }
  return headers
}

const malformed = (why: string) => new WrongRequest(why)
