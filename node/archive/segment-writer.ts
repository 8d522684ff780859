import { ProtocolError } from '#protocol/errors.ts'
import { storageLimits } from '#protocol/limits.ts'
import { blockBytes } from './direct-writes.ts'
import type { DiskFile } from './disk.ts'
import {
  decodeTrailer,
  encodeHead,
  encodeTrailer,
  pieceLengthBytes,
  prefixBytes,
  trailerBytes,
} from './log-record.ts'
import type { NewRecord, RecordLocation, RecordType } from './log-record.ts'

/** A record that lies in a segment; `start` is where the one reported before it ended. */
export type Appended = {
  location: RecordLocation
  start: number
  end: number
  chain: Buffer
  salt: Buffer
}

/** A record whose payload is written while it comes; its segment takes nothing else meanwhile. */
export type RecordStream = {
  /** Pieces of `pieceBytes`; only the last one of the record may be shorter. */
  write(pieces: readonly Uint8Array[]): Promise<void>
  /** Ends the record and appends those that belong to it, in one write. */
  end(
    payload: { bytes: number; sha256: Uint8Array },
    followers: readonly NewRecord[],
  ): Promise<Appended[]>
  /** Cuts what was written off again. */
  abort(): Promise<void>
}

/** One open segment. Appends are not durable until `sync` resolves; the callers take turns. */
export type SegmentWriter = {
  readonly number: number
  readonly file: DiskFile
  readonly salt: Buffer
  readonly end: () => number
  readonly chain: () => Buffer
  append(records: readonly NewRecord[]): Promise<Appended[]>
  stream(type: RecordType, header: Buffer): RecordStream
}

export type SegmentState = {
  number: number
  file: DiskFile
  salt: Buffer
  end: number
  chain: Buffer
  /** Where the last reported record ends. */
  reported: number
}

export function createSegmentWriter(state: SegmentState): SegmentWriter {
  const { file, number, salt } = state
  let { end, chain, reported } = state

  /** State moves only after the write: a failed one leaves bytes behind `end`, which are cut or overwritten. */
  async function append(records: readonly NewRecord[]): Promise<Appended[]> {
    const layout = layRecords({ records, salt, number, offset: end, chain })
    await writeAll(file, layout.buffers, end)
    end = layout.end
    chain = layout.chain
    return report(layout.placed)
  }

  function report(placed: Omit<Appended, 'start' | 'salt'>[]): Appended[] {
    return placed.map((record) => {
      const start = reported
      reported = record.end
      return { ...record, start, salt }
    })
  }

  function stream(type: RecordType, header: Buffer): RecordStream {
    const head = encodeHead(type, salt, header)
    const offset = end
    let at = end
    let pending: Uint8Array[] = [head]
    return {
      async write(pieces) {
        const buffers = pending
        for (const piece of pieces) buffers.push(lengthOf(piece.byteLength), piece)
        pending = []
        await writeAll(file, buffers, at)
        for (const { byteLength } of buffers) at += byteLength
      },
      async end(payload, followers) {
        const trailer = encodeTrailer(head, payload, chain)
        // The head, when nothing was written before.
        const begun = pending
        const ended =
          begun.reduce((sum, { byteLength }) => sum + byteLength, at) +
          pieceLengthBytes +
          trailerBytes
        const own = {
          location: {
            segment: number,
            offset,
            payload: offset + head.byteLength,
            bytes: payload.bytes,
            streamed: true,
          },
          end: ended,
          chain: decodeTrailer(trailer).chain,
        }
        const rest = { records: followers, salt, number, offset: ended, chain: own.chain }
        const layout = layRecords(rest)
        await writeAll(file, [...begun, lengthOf(0), trailer, ...layout.buffers], at)
        end = layout.end
        chain = layout.chain
        return report([own, ...layout.placed])
      },
      abort: () => file.truncate(offset),
    }
  }

  return { number, file, salt, end: () => end, chain: () => chain, append, stream }
}

function lengthOf(bytes: number): Buffer {
  const length = Buffer.alloc(pieceLengthBytes)
  length.writeUInt32BE(bytes)
  return length
}

type Layout = {
  buffers: Uint8Array[]
  placed: Omit<Appended, 'start' | 'salt'>[]
  end: number
  chain: Buffer
}

function layRecords(options: {
  records: readonly NewRecord[]
  salt: Buffer
  number: number
  offset: number
  chain: Buffer
}): Layout {
  const buffers: Uint8Array[] = []
  const placed: Layout['placed'] = []
  let { offset, chain } = options
  for (const { type, header, payload, bytes, sha256 } of toBlockEnd(options.records, offset)) {
    const head = encodeHead(type, options.salt, header, bytes)
    const trailer = encodeTrailer(head, { bytes, sha256 }, chain)
    chain = decodeTrailer(trailer).chain
    buffers.push(head, ...payload, trailer)
    const start = offset + head.byteLength
    const end = start + bytes + trailerBytes
    const location = { segment: options.number, offset, payload: start, bytes, streamed: false }
    placed.push({ location, end, chain })
    offset = end
  }
  return { buffers, placed, end: offset, chain }
}

/**
 * Much that is written at once ends where a block does, so that what comes next begins there (`direct-writes.ts`): the
 * last header gets spaces behind its JSON.
 */
function toBlockEnd(records: readonly NewRecord[], offset: number): readonly NewRecord[] {
  const last = records.at(-1)
  const bytes = records.reduce((sum, record) => sum + recordBytes(record), 0)
  if (last === undefined || bytes < storageLimits.directBytesMin) return records
  const missing = (blockBytes - ((offset + bytes) % blockBytes)) % blockBytes
  const header = Buffer.concat([last.header, Buffer.alloc(missing, ' ')])
  return header.byteLength > storageLimits.recordHeaderBytes
    ? records
    : [...records.slice(0, -1), { ...last, header }]
}

const recordBytes = ({ header, bytes }: NewRecord): number =>
  prefixBytes + header.byteLength + bytes + trailerBytes

const writesMax = 10_000

/** A disk may write less than it was given; it is asked again for the rest. */
export async function writeAll(
  file: DiskFile,
  buffers: readonly Uint8Array[],
  position: number,
): Promise<void> {
  let rest = buffers.filter(({ byteLength }) => byteLength > 0)
  let at = position
  for (let i = 0; rest.length > 0 && i < writesMax; i++) {
    const written = await writeOnce(file, rest, at)
    at += written
    rest = dropBytes(rest, written)
  }
  if (rest.length > 0) throw new ProtocolError('storage_failed', 'the disk writes nothing')
}

/** An interrupted call wrote nothing and may be repeated; every other failure is final. */
async function writeOnce(
  file: DiskFile,
  buffers: readonly Uint8Array[],
  position: number,
): Promise<number> {
  try {
    return await file.write(buffers, position)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EINTR') return 0
    throw error
  }
}

function dropBytes(buffers: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let left = bytes
  const rest: Uint8Array[] = []
  for (const buffer of buffers) {
    if (left >= buffer.byteLength) {
      left -= buffer.byteLength
    } else {
      rest.push(buffer.subarray(left))
      left = 0
    }
  }
  return rest
}
