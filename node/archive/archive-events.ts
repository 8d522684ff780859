import type { SopUid, StudyUid } from '#protocol/ids.ts'
import type { Archive, ArchiveEvent } from './archive.ts'

export type ArchiveEvents = Pick<Archive, 'on'> & {
  emit(event: ArchiveEvent): void
  /** `late`: how many of the study's instances came after it was complete, this one included. */
  stored(study: StudyUid, sop: SopUid, late: number): void
  completed(study: StudyUid, late: number): void
}

/** What the archive tells those who listen. A study that was complete and grows again is told of once (DQ-18). */
export function createArchiveEvents(): ArchiveEvents {
  const listeners = new Set<(event: ArchiveEvent) => void>()
  const reopened = new Set<StudyUid>()
  const emit = (event: ArchiveEvent): void => {
    for (const listener of listeners) listener(event)
  }
  return {
    emit,
    on(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    stored(study, sop, late) {
      emit({ kind: 'instance-stored', study, sop })
      if (late === 0 || reopened.has(study)) return
      reopened.add(study)
      emit({ kind: 'study-reopened', study })
    },
    completed(study, late) {
      reopened.delete(study)
      emit({ kind: 'study-complete', study, late })
    },
  }
}
