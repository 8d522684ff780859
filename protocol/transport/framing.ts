import * as lengthPrefixed from 'it-length-prefixed'
import { Uint8ArrayList } from 'uint8arraylist'
import { canonicalJson, parseCanonicalJson } from '../canonical-json.ts'
import { ControlFrame } from '../control.ts'
import { ProtocolError } from '../errors.ts'
import { streamLimits } from '../limits.ts'
import type { Bytes } from './streams.ts'

/**
 * Control frames are canonical JSON behind a varint length; bulk frames are `u32 length | u8 type | body`, the length
 * counting type and body. Both maxima are explicit: an unbounded length is a memory exhaustion by one peer.
 */
export type BulkFrame = { type: number; body: Uint8Array }

const encoder = new TextEncoder()
const bulkPrefixBytes = 4

export function encodeControl(frame: ControlFrame): Uint8Array {
  const body = encodeJson(frame)
  if (body.byteLength > streamLimits.controlFrameBytes) {
    throw new ProtocolError('too_large', 'the message exceeds a control frame')
  }
  return lengthPrefixed.encode.single(body).subarray()
}

export async function* decodeControl(source: AsyncIterable<Bytes>): AsyncGenerator<ControlFrame> {
  const decoded = lengthPrefixed.decode(source, {
    maxDataLength: streamLimits.controlFrameBytes,
    maxLengthLength: 5,
  })
  try {
    for await (const body of decoded) yield parse(body.subarray(), ControlFrame)
  } catch (error) {
    throw frameError(error)
  }
}

export function encodeJson(value: unknown): Uint8Array {
  return encoder.encode(canonicalJson(value))
}

/** A body that must be canonical JSON of the schema. */
export function parse<T>(
  body: Uint8Array,
  schema: { safeParse(value: unknown): { success: true; data: T } | { success: false } },
): T {
  let value: unknown
  try {
    value = parseCanonicalJson(new TextDecoder('utf-8', { fatal: true }).decode(body))
  } catch (cause) {
    // Also a RangeError: nesting deep enough to exhaust the stack.
    throw new ProtocolError('frame_malformed', 'a frame is not canonical JSON', { cause })
  }
  const parsed = schema.safeParse(value)
  if (!parsed.success) throw new ProtocolError('frame_malformed', 'a frame is not as agreed')
  return parsed.data
}

export function encodeBulk(type: number, ...parts: Uint8Array[]): Uint8ArrayList {
  const length = parts.reduce((sum, part) => sum + part.byteLength, 1)
  const head = new Uint8Array(bulkPrefixBytes + 1)
  new DataView(head.buffer).setUint32(0, length)
  head[bulkPrefixBytes] = type
  return new Uint8ArrayList(head, ...parts)
}

/** it-pipe transform: bytes, split anyhow, to frames. Ends with an error when the source ends inside a frame. */
export function decodeBulk(maxBytes: number) {
  return async function* (source: AsyncIterable<Bytes>): AsyncGenerator<BulkFrame> {
    const buffer = new Uint8ArrayList()
    for await (const bytes of source) {
      buffer.append(bytes)
      while (buffer.byteLength >= bulkPrefixBytes) {
        const length = buffer.getUint32(0)
        if (length > maxBytes) throw new ProtocolError('frame_too_large', 'a frame is too large')
        if (length < 1) throw new ProtocolError('frame_malformed', 'a frame has no type')
        if (buffer.byteLength < bulkPrefixBytes + length) break
        const frame = buffer.subarray(bulkPrefixBytes, bulkPrefixBytes + length)
        buffer.consume(bulkPrefixBytes + length)
        yield { type: frame[0] ?? 0, body: frame.subarray(1) }
      }
    }
    if (buffer.byteLength > 0) throw new ProtocolError('stream_closed', 'ended inside a frame')
  }
}

function frameError(error: unknown): unknown {
  const name = error instanceof Error ? error.name : ''
  switch (name) {
    case 'InvalidDataLengthError':
      return new ProtocolError('frame_too_large', 'a frame is too large', { cause: error })
    case 'InvalidDataLengthLengthError':
    case 'InvalidMessageLengthError':
      return new ProtocolError('frame_malformed', 'a length is malformed', { cause: error })
    case 'UnexpectedEOFError':
      return new ProtocolError('stream_closed', 'ended inside a frame', { cause: error })
    default:
      return error
  }
}
