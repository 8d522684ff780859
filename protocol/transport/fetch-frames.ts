import type { Uint8ArrayList } from 'uint8arraylist'
import { ProtocolError } from '../errors.ts'
import { FetchCancel, FetchError, fetchFrameType, FetchOpen, FetchWant } from '../fetch.ts'
import { encodeBulk, encodeJson, parse } from './framing.ts'
import type { BulkFrame } from './framing.ts'
import type { HolderRequest, ReaderFrame } from './transport.ts'

/** The frames of `/cami/fetch/1`, written and judged in one place. */
export const encodeFetch = {
  open: (open: FetchOpen) => encodeBulk(fetchFrameType.open, encodeJson(open)),
  want: (want: FetchWant) => encodeBulk(fetchFrameType.want, encodeJson(want)),
  cancel: (want: number) => encodeBulk(fetchFrameType.cancel, encodeJson({ want })),
  credit: (bytes: number) => encodeBulk(fetchFrameType.credit, u32(bytes)),
  done: (want: number) => encodeBulk(fetchFrameType.done, u32(want)),
  error: (error: FetchError) => encodeBulk(fetchFrameType.error, encodeJson(error)),
  data(want: number, offset: number, bytes: Uint8Array): Uint8ArrayList {
    const head = new Uint8Array(dataHeadBytes)
    const view = new DataView(head.buffer)
    view.setUint32(0, want)
    view.setBigUint64(4, BigInt(offset))
    return encodeBulk(fetchFrameType.data, head, bytes)
  },
} as const

const dataHeadBytes = 12

export function decodeOpen(frame: BulkFrame): FetchOpen {
  if (frame.type !== fetchFrameType.open) throw malformed('the first frame is not open')
  return parse(frame.body, FetchOpen)
}

/** What a reader may say after `open`. */
export function decodeReaderFrame(
  frame: BulkFrame,
): HolderRequest | { type: 'credit'; bytes: number } {
  switch (frame.type) {
    case fetchFrameType.want:
      return { type: 'want', want: parse(frame.body, FetchWant) }
    case fetchFrameType.cancel:
      return { type: 'cancel', want: parse(frame.body, FetchCancel).want }
    case fetchFrameType.credit:
      return { type: 'credit', bytes: readU32(frame.body) }
    default:
      throw malformed('not a frame of a reader')
  }
}

/** What a holder may say. */
export function decodeHolderFrame(frame: BulkFrame): ReaderFrame {
  switch (frame.type) {
    case fetchFrameType.data:
      return decodeData(frame.body)
    case fetchFrameType.done:
      return { type: 'done', want: readU32(frame.body) }
    case fetchFrameType.error:
      return { type: 'error', error: parse(frame.body, FetchError) }
    default:
      throw malformed('not a frame of a holder')
  }
}

function decodeData(body: Uint8Array): ReaderFrame {
  if (body.byteLength <= dataHeadBytes) throw malformed('a data frame carries no data')
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength)
  const offset = Number(view.getBigUint64(4))
  if (!Number.isSafeInteger(offset)) throw malformed('an offset is out of range')
  return { type: 'data', want: view.getUint32(0), offset, bytes: body.subarray(dataHeadBytes) }
}

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value)
  return bytes
}

function readU32(body: Uint8Array): number {
  if (body.byteLength !== 4) throw malformed('not a number of 32 bits')
  return new DataView(body.buffer, body.byteOffset, 4).getUint32(0)
}

function malformed(message: string): ProtocolError {
  return new ProtocolError('frame_malformed', message)
}
