import { type ReadonlySignal, signal } from '@preact/signals'
import type { Study } from '../api/studies.ts'

/** The row of the list: it names patient and holder, for as long as their images are on the screen. */
export type StudyRow = {
  readonly study: ReadonlySignal<Study | undefined>
  /** Asks unless there has been an answer; what failed for a passing reason is asked again. */
  ask: () => Promise<void>
  [Symbol.dispose]: () => void
}

export type StudyRowDeps = {
  load: (signal: AbortSignal) => Promise<Study | undefined>
  isPermanent: (error: unknown) => boolean
  failed: (error: unknown) => unknown
}

export function createStudyRow({ load, isPermanent, failed }: StudyRowDeps): StudyRow {
  const abort = new AbortController()
  const study = signal<Study | undefined>(undefined)
  let isSettled = false
  return {
    study,
    async ask() {
      if (isSettled) return
      isSettled = true
      try {
        const row = await load(abort.signal)
        if (!abort.signal.aborted) study.value = row
      } catch (error) {
        if (abort.signal.aborted) return
        isSettled = isPermanent(error)
        failed(error)
      }
    },
    [Symbol.dispose]: () => abort.abort(),
  }
}
