import type { ProtocolError } from '#protocol/errors.ts'
import { storageLimits } from '#protocol/limits.ts'
import type { LogFailure } from './log-failure.ts'
import type { NewRecord } from './log-record.ts'
import type { Syncs } from './log-sync.ts'
import type { SegmentPool } from './segment-pool.ts'
import type { Appended, SegmentWriter } from './segment-writer.ts'

/** Appends small records: those that wait are written together and synced together. */
export type LogAppender = {
  append(records: readonly NewRecord[]): Promise<Appended[]>
  /** Resolves when nothing is under way. */
  idle(): Promise<void>
}

type Waiting = {
  records: readonly NewRecord[]
  bytes: number
  resolve: (appended: Appended[]) => void
  reject: (error: unknown) => void
}
type Group = { waiting: readonly Waiting[]; appended: Appended[]; isLast: boolean }

export type AppenderParts = {
  pool: SegmentPool
  sync: Syncs
  failure: LogFailure
  segmentBytes: number
  /** The error that a failed write becomes. */
  refuse: (cause: unknown) => ProtocolError
}

export function createLogAppender(parts: AppenderParts): LogAppender {
  const { pool, failure } = parts
  const queue: Waiting[] = []
  const settling = new Set<Promise<void>>()
  let current: SegmentWriter | undefined
  let pumping: Promise<void> | undefined
  let sealing: Promise<void> | undefined

  /** Writes go on while earlier ones are being synced. */
  async function pump(): Promise<void> {
    // Whoever asks within this turn of the event loop goes into the same write.
    await Promise.resolve()
    for (let group = takeGroup(queue); group.length > 0; group = takeGroup(queue)) {
      try {
        failure.check()
        // The next segment names the seal of the one before it.
        await sealing
        current ??= await pool.take()
        const writer = current
        const appended = await writeGroup(parts, writer, group)
        const isLast = writer.end() >= parts.segmentBytes
        const task = settle(parts, writer, { waiting: group, appended, isLast })
        sealing = isLast ? task : undefined
        if (isLast) current = undefined
        settling.add(task)
        void task.finally(() => settling.delete(task))
      } catch (error) {
        for (const { reject } of group) reject(error)
      }
    }
    pumping = undefined
  }

  return {
    append(records) {
      const bytes = records.reduce((sum, record) => sum + record.bytes, 0)
      return new Promise((resolve, reject) => {
        queue.push({ records, bytes, resolve, reject })
        pumping ??= pump()
      })
    },
    async idle() {
      await pumping
      while (settling.size > 0) await Promise.allSettled(settling)
    },
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

/** A failed write leaves nothing behind the segment's end; when that cannot be had, the log has failed. */
async function writeGroup(
  { failure, refuse }: AppenderParts,
  writer: SegmentWriter,
  group: readonly Waiting[],
): Promise<Appended[]> {
  try {
    return await writer.append(group.flatMap(({ records }) => records))
  } catch (cause) {
    const error = refuse(cause)
    failure.check()
    await writer.file.truncate(writer.end()).catch((cause: unknown) => failure.fail(cause))
    throw error
  }
}

/** Everybody of a group waits for the same sync; behind the last one a full segment is sealed. */
async function settle(
  { pool, sync }: AppenderParts,
  writer: SegmentWriter,
  { waiting, appended, isLast }: Group,
): Promise<void> {
  try {
    await sync(writer.file)
    let at = 0
    for (const { records, resolve } of waiting) {
      resolve(appended.slice(at, at + records.length))
      at += records.length
    }
  } catch (error) {
    for (const { reject } of waiting) reject(error)
  }
  // A seal that fails has failed the log: the next caller hears of it.
  if (isLast) await pool.release(writer).catch(() => {})
}
