import { storageLimits } from '#protocol/limits.ts'
import type { Disk, DiskFile } from './disk.ts'
import { segmentName } from './log-start.ts'

/** Open files of segments for readers; idle ones beyond a limit are closed, the longest unused first. */
export type ReadHandles = AsyncDisposable & {
  use(segment: number): Promise<AsyncDisposable & { file: DiskFile }>
  /** Closes a segment that is going to be removed, when nobody reads it any more. */
  release(segment: number): Promise<void>
}

type Entry = { file: Promise<DiskFile>; users: number; onIdle?: () => void }

export function createReadHandles(disk: Disk): ReadHandles {
  const entries = new Map<number, Entry>()

  async function closeIdle(): Promise<void> {
    for (const [segment, { file, users }] of entries) {
      if (entries.size <= storageLimits.readHandlesMax) return
      if (users > 0) continue
      entries.delete(segment)
      await (await file).close()
    }
  }

  return {
    async use(segment) {
      const entry: Entry = entries.get(segment) ?? {
        file: disk.open(segmentName(segment), 'read'),
        users: 0,
      }
      entry.users++
      entries.delete(segment)
      entries.set(segment, entry)
      try {
        const file = await entry.file
        return {
          file,
          async [Symbol.asyncDispose]() {
            entry.users--
            if (entry.users === 0) entry.onIdle?.()
            await closeIdle()
          },
        }
      } catch (error) {
        entries.delete(segment)
        throw error
      }
    },
    async release(segment) {
      const entry = entries.get(segment)
      if (entry === undefined) return
      entries.delete(segment)
      if (entry.users > 0) await new Promise<void>((resolve) => (entry.onIdle = resolve))
      await (await entry.file).close()
    },
    async [Symbol.asyncDispose]() {
      const open = [...entries.values()]
      entries.clear()
      for (const { file } of open) await (await file).close()
    },
  }
}
