import type { StudyUid } from '#protocol/ids.ts'
import type { Transfer } from './remote-study.ts'

type Listener = (transfer: Transfer) => void

/** Tells listeners how far studies have come, at most once per interval, and always the last state. */
export function createProgress(intervalMs: number, of: (study: StudyUid) => Transfer | undefined) {
  const listeners = new Map<StudyUid, Set<Listener>>()
  const timers = new Map<StudyUid, NodeJS.Timeout>()
  const tell = (study: StudyUid): void => {
    timers.delete(study)
    const transfer = of(study)
    if (transfer === undefined) return
    for (const listener of listeners.get(study) ?? []) listener(transfer)
  }
  return {
    of,
    on(study: StudyUid, listener: Listener): () => void {
      const own = listeners.get(study) ?? new Set<Listener>()
      listeners.set(study, own.add(listener))
      return () => {
        own.delete(listener)
        if (own.size === 0 && listeners.get(study) === own) listeners.delete(study)
      }
    },
    changed(study: StudyUid): void {
      if (timers.has(study) || !listeners.has(study)) return
      timers.set(
        study,
        setTimeout(() => tell(study), intervalMs),
      )
    },
    stop(): void {
      for (const timer of timers.values()) clearTimeout(timer)
      timers.clear()
      listeners.clear()
    },
  }
}
