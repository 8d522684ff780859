import { ProtocolError } from '#protocol/errors.ts'
import type { Log } from '../log.ts'
import type { Disk } from './disk.ts'
import { checkSegment, segmentName, segmentNumber, startSegment } from './log-start.ts'
import type { LogPosition, Replayed, SegmentCheck } from './log-start.ts'
import type { NewRecord, RecordType } from './log-record.ts'
import { createLogAppender } from './log-appender.ts'
import { createLogFailure } from './log-failure.ts'
import type { LogFailure } from './log-failure.ts'
import { createSyncs } from './log-sync.ts'
import type { Syncs } from './log-sync.ts'
import { createReadHandles } from './read-handles.ts'
import type { ReadHandles } from './read-handles.ts'
import { createSegmentPool } from './segment-pool.ts'
import type { SegmentPool } from './segment-pool.ts'
import type { Appended, SegmentWriter } from './segment-writer.ts'
import type { ScanEnd } from './segment-scan.ts'
import { createSpaceGuard } from './space-guard.ts'
import type { SpaceGuard } from './space-guard.ts'

/** The archive's journal: records in segments, each synced before its append resolves. */
export type ValueLog = AsyncDisposable & {
  /** Resolves with the reason when a sync or write failed for good. Everything is refused afterwards; the process stops. */
  readonly failed: Promise<ProtocolError>
  /**
   * Cuts torn tails and yields what lies behind the given positions. Run once before anything else; throws
   * `CatalogMismatch` when a position is another in the log, and may then be run again from the beginning. A segment
   * that is missing or shorter than its position is left alone: `segments` shows it.
   */
  replay(positions: ReadonlyMap<number, LogPosition>): AsyncGenerator<Replayed>
  /** Refuses with `storage_full` or `storage_failed` what would not find room. */
  checkSpace(): Promise<void>
  /** In one write and durable when it resolves; the sync serves everybody who waits (group commit). */
  append(records: readonly NewRecord[]): Promise<Appended[]>
  /** A record whose payload comes in pieces, in a segment of its own until it ends; waits when all are taken. */
  stream(type: RecordType, header: Buffer): Promise<LogStream>
  /** Bytes of a segment as they lie there: the caller checks digests. Fewer only at the end of the file. */
  read(segment: number, into: Uint8Array, position: number): Promise<number>
  /** The segments on the disk, oldest first. */
  segments(): Promise<SegmentInfo[]>
  /** Every record of a segment, compared with its digest and chain. */
  check(check: SegmentCheck): AsyncGenerator<Replayed, ScanEnd>
  /** Takes a sealed segment off the disk, when nobody reads it any more. Nothing may point into it. */
  remove(segment: number): Promise<void>
}
export type SegmentInfo = { number: number; bytes: number; isOpen: boolean }

export type LogStream = {
  write(pieces: readonly Uint8Array[]): Promise<void>
  /** Durable when it resolves, with the records that belong to it. */
  end(
    payload: { bytes: number; sha256: Uint8Array },
    followers: readonly NewRecord[],
  ): Promise<Appended[]>
  abort(): Promise<void>
}

export type ValueLogOptions = {
  disk: Disk
  log: Log
  clock: () => number
  random: (bytes: number) => Uint8Array
  freeSpace: { freeFractionMin: number; freeBytesMin: number }
  segmentBytes: number
}

/** Opens the value log that lies on a disk. */
export function openValueLog(options: ValueLogOptions): ValueLog {
  const { disk, log, segmentBytes } = options
  const failure = createLogFailure(log)
  const space = createSpaceGuard(options)
  const handles = createReadHandles(disk)
  const pool = createSegmentPool({ ...options, failure })
  const sync = createSyncs(failure)
  const parts: StreamParts = { pool, sync, failure, space, refuse }
  const appender = createLogAppender({ ...parts, segmentBytes })

  function refuse(cause: unknown): ProtocolError {
    const error = failure.ofWrite(cause)
    if (error.code === 'storage_full') space.markFull()
    return error
  }

  return {
    failed: failure.failed,
    async *replay(positions) {
      await pool.reset()
      const numbers = await listSegments(disk)
      checkPresent(options, numbers, positions)
      for (const number of positions.keys()) {
        pool.add(number, { state: 'unreadable', size: 0 })
      }
      for (const number of numbers) {
        const position = positions.get(number)
        pool.add(number, yield* startSegment({ disk, log, number, position }))
      }
    },
    async checkSpace() {
      failure.check()
      await space.check()
    },
    async append(records) {
      failure.check()
      for (const { bytes } of records) space.count(bytes)
      return await appender.append(records)
    },
    async stream(type, header) {
      failure.check()
      return createLogStream(parts, await pool.take(), { type, header })
    },
    ...createSegmentAccess({ disk, pool, handles }),
    async [Symbol.asyncDispose]() {
      await appender.idle()
      await pool[Symbol.asyncDispose]()
      await handles[Symbol.asyncDispose]()
    },
  }
}

type AccessParts = { disk: Disk; pool: SegmentPool; handles: ReadHandles }

/** What readers and the scrub want of segments. */
function createSegmentAccess({
  disk,
  pool,
  handles,
}: AccessParts): Pick<ValueLog, 'read' | 'segments' | 'check' | 'remove'> {
  return {
    async read(segment, into, position) {
      await using handle = await handles.use(segment)
      return await handle.file.read(into, position)
    },
    segments: async () =>
      await Promise.all(
        (await listSegments(disk)).map(async (number) => {
          const bytes = await disk.size(segmentName(number))
          return { number, bytes, isOpen: pool.isOpen(number) }
        }),
      ),
    async *check(check) {
      await using handle = await handles.use(check.segment)
      return yield* checkSegment(handle.file, check)
    },
    async remove(segment) {
      if (pool.isOpen(segment)) throw new ProtocolError('internal', 'the segment is open')
      await disk.remove(segmentName(segment))
      await handles.release(segment)
      await disk.syncNames()
    },
  }
}

const listSegments = async (disk: Disk): Promise<number[]> =>
  (await disk.list())
    .map(segmentNumber)
    .filter((number) => number !== undefined)
    .sort((a, b) => a - b)

/** A log that is gone altogether is a disk that is not mounted: nothing may be written in its place. */
function checkPresent(
  { log }: ValueLogOptions,
  numbers: readonly number[],
  positions: ReadonlyMap<number, LogPosition>,
): void {
  const missing = [...positions.keys()].filter((number) => !numbers.includes(number))
  for (const segment of missing) log.error({ segment }, 'a segment of the value log is missing')
  if (missing.length === 0 || numbers.length > 0) return
  throw new ProtocolError(
    'configuration_invalid',
    'the archive has a catalog and no value log: mount the disk with archive/log or restore it; ' +
      'to begin anew remove archive/catalog',
  )
}

type StreamParts = {
  pool: SegmentPool
  sync: Syncs
  failure: LogFailure
  space: SpaceGuard
  refuse: (cause: unknown) => ProtocolError
}

/** A failed write leaves its segment to `abort`, which cuts it off. */
function createLogStream(
  { pool, sync, failure, space, refuse }: StreamParts,
  writer: SegmentWriter,
  { type, header }: { type: RecordType; header: Buffer },
): LogStream {
  const record = writer.stream(type, header)
  return {
    async write(pieces) {
      failure.check()
      await space.check()
      for (const { byteLength } of pieces) space.count(byteLength)
      await record.write(pieces).catch((cause: unknown) => Promise.reject(refuse(cause)))
    },
    async end(payload, followers) {
      failure.check()
      const ending = record.end(payload, followers)
      const appended = await ending.catch((cause: unknown) => Promise.reject(refuse(cause)))
      await sync(writer.file)
      await pool.release(writer)
      return appended
    },
    async abort() {
      try {
        failure.check()
        await record.abort()
      } catch (cause) {
        throw failure.fail(cause)
      } finally {
        await pool.release(writer)
      }
    },
  }
}
