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
}

/** One timer for all studies: the map holds them in the order in which they fall quiet. */
export function createQuietWatch(
  timers: Timers,
  quietMs: number,
  onQuiet: (study: StudyUid) => void,
): QuietWatch {
  const due = new Map<StudyUid, number>()
  let cancel: (() => void) | undefined

  function arm(): void {
    const [first] = due.values()
    if (first === undefined || cancel !== undefined) return
    cancel = timers.after(Math.max(0, first - timers.now()), sweep)
  }

  function sweep(): void {
    cancel = undefined
    const now = timers.now()
    for (const [study, at] of due) {
      if (at > now) break
      due.delete(study)
      onQuiet(study)
    }
    arm()
  }

  return {
    touch(study, ago = 0) {
      due.delete(study)
      due.set(study, timers.now() + quietMs - Math.min(Math.max(ago, 0), quietMs))
      arm()
    },
    [Symbol.dispose]() {
      cancel?.()
      due.clear()
    },
  }
}
