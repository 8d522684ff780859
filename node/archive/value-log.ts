import { ProtocolError } from '#protocol/errors.ts'
import { storageLimits } from '#protocol/limits.ts'
import type { Log } from '../log.ts'
import type { Disk, DiskFile } from './disk.ts'
import { CatalogMismatch, segmentNumber, startSegment } from './log-start.ts'
import type { LogPosition, Replayed } from './log-start.ts'
import type { NewRecord, RecordType } from './log-record.ts'
import { createLogFailure } from './log-failure.ts'
import type { LogFailure } from './log-failure.ts'
import { createReadHandles } from './read-handles.ts'
import { createSegmentPool } from './segment-pool.ts'
import type { Appended, SegmentWriter } from './segment-writer.ts'
import { createSpaceGuard } from './space-guard.ts'

/** The archive's journal: records in segments, each synced before its append resolves. */
export type ValueLog = AsyncDisposable & {
  /** Resolves with the reason when a sync or write failed for good. Everything is refused afterwards; the process stops. */
  readonly failed: Promise<ProtocolError>
  /**
   * Cuts torn tails and yields what lies behind the given positions. Run once before anything else; throws
   * `CatalogMismatch` when a position is not in the log, and may then be run again from the beginning.
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
}

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

type Waiting = {
  records: readonly NewRecord[]
  bytes: number
  resolve: (appended: Appended[]) => void
  reject: (error: unknown) => void
}

/** Opens the value log that lies on a disk. */
export function openValueLog(options: ValueLogOptions): ValueLog {
  const { disk, log } = options
  const failure = createLogFailure(log)
  const space = createSpaceGuard(options)
  const handles = createReadHandles(disk)
  const pool = createSegmentPool({ ...options, failure })
  const syncs = createSyncs(failure)
  const queue: Waiting[] = []
  let current: SegmentWriter | undefined
  let pumping: Promise<void> | undefined
  const settling = createTasks()

  async function pump(): Promise<void> {
    // Whoever asks within this turn of the event loop goes into the same write.
    await Promise.resolve()
    for (let group = takeGroup(queue); group.length > 0; group = takeGroup(queue)) {
      try {
        failure.check()
        current ??= await pool.take()
        const writer = current
        const appended = await writeGroup(writer, group)
        const isLast = writer.end() >= options.segmentBytes
        if (isLast) current = undefined
        settling.add(settle(writer, { group, appended, isLast }))
      } catch (error) {
        for (const { reject } of group) reject(error)
      }
    }
    pumping = undefined
  }

  /** A failed write leaves nothing behind the segment's end; when that cannot be had, the log has failed. */
  async function writeGroup(writer: SegmentWriter, group: readonly Waiting[]): Promise<Appended[]> {
    try {
      return await writer.append(group.flatMap(({ records }) => records))
    } catch (cause) {
      const error = refuse(cause)
      failure.check()
      await writer.file.truncate(writer.end()).catch((cause: unknown) => failure.fail(cause))
      throw error
    }
  }

  function refuse(cause: unknown): ProtocolError {
    const error = failure.ofWrite(cause)
    if (error.code === 'storage_full') space.markFull()
    return error
  }

  /** Everybody of a group waits for the same sync; behind the last one a full segment is sealed. */
  async function settle(
    writer: SegmentWriter,
    done: { group: readonly Waiting[]; appended: Appended[]; isLast: boolean },
  ): Promise<void> {
    try {
      await syncs.sync(writer)
      let at = 0
      for (const { records, resolve } of done.group) {
        resolve(done.appended.slice(at, at + records.length))
        at += records.length
      }
    } catch (error) {
      for (const { reject } of done.group) reject(error)
    }
    // A failed seal is a failed log: the next caller hears of it.
    if (done.isLast) await pool.release(writer).catch(() => {})
  }

  return {
    failed: failure.failed,
    async *replay(positions) {
      await pool.reset()
      const numbers = (await disk.list())
        .map(segmentNumber)
        .filter((number) => number !== undefined)
        .sort((a, b) => a - b)
      for (const number of positions.keys()) {
        if (!numbers.includes(number)) throw new CatalogMismatch(`segment ${number} is missing`)
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
    append(records) {
      const bytes = records.reduce((sum, record) => sum + record.bytes, 0)
      space.count(bytes)
      return new Promise((resolve, reject) => {
        queue.push({ records, bytes, resolve, reject })
        pumping ??= pump()
      })
    },
    async stream(type, header) {
      failure.check()
      const writer = await pool.take()
      return createStream(writer, type, header)
    },
    async read(segment, into, position) {
      await using handle = await handles.use(segment)
      return await handle.file.read(into, position)
    },
    async [Symbol.asyncDispose]() {
      await pumping
      await settling.idle()
      await pool[Symbol.asyncDispose]()
      await handles[Symbol.asyncDispose]()
    },
  }

  function createStream(writer: SegmentWriter, type: RecordType, header: Buffer): LogStream {
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
        await syncs.sync(writer)
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
}

/** A group is bounded by bytes, so that nobody waits long behind others' data. */
function takeGroup(queue: Waiting[]): Waiting[] {
  let bytes = 0
  let count = 0
  for (const waiting of queue) {
    if (count > 0 && bytes + waiting.bytes > storageLimits.groupBytes) break
    bytes += waiting.bytes
    count++
  }
  return queue.splice(0, count)
}

/** Syncs of each file one after the other; whoever comes while one runs shares the next. */
function createSyncs(failure: LogFailure) {
  const running = new Map<DiskFile, { now: Promise<void>; next?: Promise<void> }>()

  async function run(file: DiskFile): Promise<void> {
    try {
      failure.check()
      await file.sync()
    } catch (error) {
      throw failure.fail(error)
    }
  }

  function start(file: DiskFile): Promise<void> {
    const entry: { now: Promise<void>; next?: Promise<void> } = { now: run(file) }
    running.set(file, entry)
    const after = () => {
      if (entry.next === undefined) running.delete(file)
    }
    entry.now.then(after, after)
    return entry.now
  }

  return {
    sync({ file }: SegmentWriter): Promise<void> {
      const entry = running.get(file)
      if (entry === undefined) return start(file)
      const again = () => start(file)
      entry.next ??= entry.now.then(again, again)
      return entry.next
    },
  }
}

/** Work that nobody awaits but the one who closes. */
function createTasks() {
  const running = new Set<Promise<void>>()
  return {
    add(task: Promise<void>): void {
      running.add(task)
      void task.finally(() => running.delete(task))
    },
    async idle(): Promise<void> {
      while (running.size > 0) await Promise.allSettled(running)
    },
  }
}
