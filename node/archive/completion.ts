import type { StudyUid } from '#protocol/ids.ts'

/** Waiting, as a parameter: tests move time themselves. */
export type Timers = {
  /** Milliseconds that only grow. */
  now(): number
  /** Calls once; returns how to call it off. */
  after(ms: number, run: () => void): () => void
}

export const systemTimers: Timers = {
  now: () => performance.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms)
    timer.unref()
    return () => clearTimeout(timer)
  },
}

/** Says of each study when nothing has come for a while (DQ-18). */
export type QuietWatch = Disposable & {
  /** Something came just now, or `ago` milliseconds before. */
  touch(study: StudyUid, ago?: number): void
  /** Whether it is not quiet yet. */
  isWatched(study: StudyUid): boolean
}

/** One timer for all studies, for the one that falls quiet first; each may take a time of its own. */
export function createQuietWatch(
  timers: Timers,
  quietMs: (study: StudyUid) => number,
  onQuiet: (study: StudyUid) => void,
): QuietWatch {
  const due = new Map<StudyUid, number>()
  let armed: { at: number; cancel: () => void } | undefined

  function arm(at: number): void {
    if (armed !== undefined && armed.at <= at) return
    armed?.cancel()
    armed = { at, cancel: timers.after(Math.max(0, at - timers.now()), sweep) }
  }

  function sweep(): void {
    armed = undefined
    const now = timers.now()
    let next = Infinity
    for (const [study, at] of due) {
      if (at > now) {
        next = Math.min(next, at)
        continue
      }
      due.delete(study)
      onQuiet(study)
    }
    if (next < Infinity) arm(next)
  }

  return {
    isWatched: (study) => due.has(study),
    touch(study, ago = 0) {
      const quiet = quietMs(study)
      const at = timers.now() + quiet - Math.min(Math.max(ago, 0), quiet)
      due.set(study, at)
      arm(at)
    },
    [Symbol.dispose]() {
      armed?.cancel()
      due.clear()
    },
  }
}
