import { ProtocolError } from '#protocol/errors.ts'
import { storageLimits } from '#protocol/limits.ts'
import type { Buffers } from './buffers.ts'
import { chunkDigestApart, chunkDigestNear, digestOfChunks } from './chunk-digests.ts'
import type { NewRecord } from './log-record.ts'
import type { Appended } from './segment-writer.ts'
import type { LogStream, ValueLog } from './value-log.ts'

/** The bytes of one instance on their way to the log: digests while they come, gathered or streamed by size. */
export type PieceWriter = {
  write(chunk: Uint8Array): boolean
  drain(): Promise<void>
  /** Ends the payload. */
  digests(): Promise<PayloadDigests>
  /** Appends the record and those that belong to it; durable when it resolves. */
  append(followers: readonly NewRecord[]): Promise<Appended[]>
  /** Leaves nothing in the log. Safe at any time, also twice. */
  abort(): Promise<void>
}
/** `sha256`: of the whole, which is over `chunks`. */
export type PayloadDigests = { bytes: number; sha256: Buffer; chunks: Buffer }

type Parts = { log: Pick<ValueLog, 'append' | 'stream'>; buffers: Buffers; header: Buffer }

/** Up to `gatherBytes` are kept and written in one go; more go to a segment of their own while they come. */
export function createPieceWriter({ log, buffers, header }: Parts): PieceWriter {
  const cutter = createPieceCutter(buffers)
  let streaming: Streaming | undefined
  let ended: PayloadDigests | undefined
  let isOver = false

  return {
    write(chunk) {
      if (isOver) return true
      cutter.write(chunk)
      if (streaming === undefined && cutter.bytes() > storageLimits.gatherBytes) {
        streaming = createStreaming(cutter, log.stream('instance', header))
      }
      streaming?.pump()
      return streaming?.mustPause() !== true
    },
    drain: () => streaming?.drain() ?? Promise.resolve(),
    digests: async () => (ended ??= await cutter.end()),
    async append(followers) {
      if (ended === undefined) throw new ProtocolError('internal', 'the payload has not ended')
      const { bytes, sha256 } = ended
      if (streaming !== undefined) {
        const appended = await streaming.end({ bytes, sha256 }, followers)
        isOver = true
        return appended
      }
      const payload = cutter.take()
      try {
        const own: NewRecord = { type: 'instance', header, payload, bytes, sha256 }
        return await log.append([own, ...followers])
      } finally {
        isOver = true
        cutter.release(payload)
      }
    },
    async abort() {
      if (isOver) return
      isOver = true
      await streaming?.abort()
      cutter.release(cutter.take())
    },
  }
}

/** Cuts what comes into chunks of one size, each with its digest. */
type PieceCutter = {
  write(chunk: Uint8Array): void
  /** Bytes that have come altogether. */
  bytes(): number
  /** Bytes that have not been taken. */
  waiting(): number
  /** Chunks that have no digest yet. */
  hashing(): number
  take(): Buffer<ArrayBuffer>[]
  release(pieces: readonly Buffer<ArrayBuffer>[]): void
  end(): Promise<PayloadDigests>
  /** What is called when a chunk has got its digest. */
  onHashed(listener: () => void): void
}

function createPieceCutter(buffers: Buffers): PieceCutter {
  const digests: Promise<Buffer>[] = []
  let listener = (): void => undefined
  let hashing = 0
  let pieces: Buffer<ArrayBuffer>[] = []
  let current: Buffer<ArrayBuffer> | undefined
  let filled = 0
  let bytes = 0

  function endPiece(piece: Buffer<ArrayBuffer>): void {
    const full = piece.subarray(0, filled)
    hashing++
    // Of a large one the next chunk comes in while this one is hashed.
    const isLarge = bytes > storageLimits.gatherBytes
    const digest = (isLarge ? chunkDigestApart(full) : chunkDigestNear(full)).finally(() => {
      hashing--
      listener()
    })
    // Of a data set that is given up nobody asks for it.
    digest.catch(() => {})
    digests.push(digest)
    pieces.push(full)
    current = undefined
    filled = 0
  }

  return {
    write(chunk) {
      bytes += chunk.byteLength
      for (let at = 0; at < chunk.byteLength;) {
        current ??= buffers.take()
        const part = chunk.subarray(at, at + current.byteLength - filled)
        current.set(part, filled)
        filled += part.byteLength
        at += part.byteLength
        if (filled === current.byteLength) endPiece(current)
      }
    },
    bytes: () => bytes,
    waiting: () => pieces.length * storageLimits.chunkBytes + filled,
    take() {
      const taken = pieces
      pieces = []
      return taken
    },
    release(taken) {
      for (const { buffer } of taken) buffers.give(Buffer.from(buffer))
    },
    hashing: () => hashing,
    onHashed(given) {
      listener = given
    },
    async end() {
      if (current !== undefined) endPiece(current)
      const chunks = Buffer.concat(await Promise.all(digests))
      return { bytes, sha256: digestOfChunks(chunks), chunks }
    },
  }
}

type Streaming = {
  /** Writes what is waiting, unless that is being done. */
  pump(): void
  mustPause(): boolean
  drain(): Promise<void>
  end: LogStream['end']
  abort(): Promise<void>
}

/** Writes the chunks of one instance while they come. After a failure it takes them and drops them. */
function createStreaming(cutter: PieceCutter, opening: Promise<LogStream>): Streaming {
  const waiting: (() => void)[] = []
  let pumping: Promise<void> | undefined
  let state: 'good' | 'failed' | 'over' = 'good'
  let error: unknown
  const isGood = (): boolean => state === 'good'
  const mustPause = (): boolean =>
    isGood() &&
    (cutter.waiting() > storageLimits.unwrittenBytes || cutter.hashing() > storageLimits.hashingMax)

  function wake(): void {
    if (mustPause()) return
    for (const resolve of waiting.splice(0)) resolve()
  }

  cutter.onHashed(wake)

  async function run(): Promise<void> {
    try {
      const stream = await opening
      for (let pieces = cutter.take(); pieces.length > 0 && isGood(); pieces = cutter.take()) {
        await stream.write(pieces)
        cutter.release(pieces)
        wake()
      }
    } catch (cause) {
      error ??= cause
      state = 'failed'
    }
    pumping = undefined
    wake()
  }

  function pump(): void {
    if (!isGood()) cutter.release(cutter.take())
    else pumping ??= run()
  }

  return {
    pump,
    mustPause,
    drain: () =>
      mustPause() ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(),
    async end(payload, followers) {
      pump()
      await pumping
      if (!isGood()) throw error
      return await (await opening).end(payload, followers)
    },
    async abort() {
      state = 'over'
      await pumping
      wake()
      const stream = await opening.catch(() => undefined)
      await stream?.abort()
    },
  }
}
