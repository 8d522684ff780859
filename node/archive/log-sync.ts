import type { DiskFile } from './disk.ts'
import type { LogFailure } from './log-failure.ts'

/**
 * Group commit: syncs of one file run one after the other, and whoever comes while one runs shares the next, which
 * covers everything written until it begins.
 */
export type Syncs = (file: DiskFile) => Promise<void>
type Running = { now: Promise<void>; next?: Promise<void> }

export function createSyncs(failure: LogFailure): Syncs {
  const running = new Map<DiskFile, Running>()

  async function run(file: DiskFile): Promise<void> {
    try {
      failure.check()
      await file.sync()
    } catch (error) {
      throw failure.fail(error)
    }
  }

  function start(file: DiskFile): Promise<void> {
    const entry: Running = { now: run(file) }
    running.set(file, entry)
    const after = () => {
      if (entry.next === undefined) running.delete(file)
    }
    entry.now.then(after, after)
    return entry.now
  }

  return (file) => {
    const entry = running.get(file)
    if (entry === undefined) return start(file)
    const again = () => start(file)
    entry.next ??= entry.now.then(again, again)
    return entry.next
  }
}
