import { createHash, hash } from 'node:crypto'
import { ProtocolError } from '#protocol/errors.ts'
import { storageLimits } from '#protocol/limits.ts'
import type { Buffers } from './buffers.ts'
import type { NewRecord } from './log-record.ts'
import type { Appended } from './segment-writer.ts'
import type { LogStream, ValueLog } from './value-log.ts'

/** The bytes of one instance on their way to the log: digests while they come, gathered or streamed by size. */
export type PieceWriter = {
  write(chunk: Uint8Array): boolean
  drain(): Promise<void>
  /** Ends the payload. */
  digests(): PayloadDigests
  /** Appends the record and those that belong to it; durable when it resolves. */
  append(followers: readonly NewRecord[]): Promise<Appended[]>
  /** Leaves nothing in the log. Safe at any time, also twice. */
  abort(): Promise<void>
}
export type PayloadDigests = { bytes: number; sha256: Buffer; chunks: Buffer }

type Parts = { log: Pick<ValueLog, 'append' | 'stream'>; buffers: Buffers; header: Buffer }

/** Up to `gatherBytes` are kept and written in one go; more go to a segment of their own while they come. */
export function createPieceWriter({ log, buffers, header }: Parts): PieceWriter {
  const whole = createHash('sha256')
  const chunkDigests: Buffer[] = []
  let pieces: Uint8Array[] = []
  let current: Buffer | undefined
  let filled = 0
  let bytes = 0
  let waiting: (() => void)[] = []
  let stream: Promise<LogStream> | undefined
  let pump: Promise<void> | undefined
  let error: unknown
  let ended: PayloadDigests | undefined
  let isOver = false

  const unwritten = (): number => pieces.length * storageLimits.chunkBytes + filled
  const mustPause = (): boolean =>
    stream !== undefined && error === undefined && unwritten() > storageLimits.unwrittenBytes

  function endPiece(piece: Buffer, length: number): void {
    const full = piece.subarray(0, length)
    whole.update(full)
    chunkDigests.push(hash('sha256', full, 'buffer'))
    pieces.push(full)
    current = undefined
    filled = 0
  }

  function release(written: readonly Uint8Array[]): void {
    for (const { buffer } of written) buffers.give(Buffer.from(buffer))
  }

  function wake(): void {
    if (mustPause()) return
    for (const resolve of waiting.splice(0)) resolve()
  }

  /** Writes what has come, in order, until nothing is left. */
  async function run(): Promise<void> {
    try {
      stream ??= log.stream('instance', header)
      const record = await stream
      while (pieces.length > 0 && !isOver) {
        const batch = pieces
        pieces = []
        await record.write(batch)
        release(batch)
        wake()
      }
    } catch (cause) {
      error ??= cause
      pieces = []
    }
    pump = undefined
    wake()
  }

  return {
    write(chunk) {
      if (error !== undefined || isOver) return true
      bytes += chunk.byteLength
      for (let at = 0; at < chunk.byteLength;) {
        current ??= buffers.take()
        const part = chunk.subarray(at, at + current.byteLength - filled)
        current.set(part, filled)
        filled += part.byteLength
        at += part.byteLength
        if (filled === current.byteLength) endPiece(current, filled)
      }
      if (stream !== undefined || bytes > storageLimits.gatherBytes) pump ??= run()
      return !mustPause()
    },
    drain: () =>
      mustPause() ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(),
    digests() {
      if (current !== undefined && filled > 0) endPiece(current, filled)
      ended ??= { bytes, sha256: whole.digest(), chunks: Buffer.concat(chunkDigests) }
      return ended
    },
    async append(followers) {
      if (ended === undefined) throw new ProtocolError('internal', 'the payload has not ended')
      const { sha256 } = ended
      if (stream === undefined) {
        const own: NewRecord = { type: 'instance', header, payload: pieces, bytes, sha256 }
        const appended = await log.append([own, ...followers])
        isOver = true
        release(pieces)
        return appended
      }
      pump ??= run()
      await pump
      if (error !== undefined) throw error
      const appended = await (await stream).end({ bytes, sha256 }, followers)
      isOver = true
      return appended
    },
    async abort() {
      if (isOver) return
      isOver = true
      await pump
      if (stream !== undefined) {
        const record = await stream.catch(() => undefined)
        await record?.abort()
      } else {
        release(pieces)
      }
      pieces = []
      wake()
    },
  }
}
