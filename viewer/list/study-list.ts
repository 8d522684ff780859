import { batch, type ReadonlySignal, signal } from '@preact/signals'
import { isAborted } from '../api/http.ts'
import type { StudyFilter, StudyPage } from '../api/studies.ts'

/** One page of the study list, kept while the next answer is on its way. */
export type StudyList = {
  readonly page: ReadonlySignal<StudyPage | undefined>
  readonly isLoading: ReadonlySignal<boolean>
  readonly failure: ReadonlySignal<unknown>
  /** When the rows on the screen were received. */
  readonly updatedAt: ReadonlySignal<number | undefined>
  /** Asks a new question; the answer to an older one is dropped. What it means may change with the day. */
  load: (filterAt: (now: number) => StudyFilter, offset: number) => void
  /** Asks the same again and keeps the rows meanwhile. */
  refresh: () => void
  [Symbol.dispose]: () => void
}

export type StudyListDeps = {
  search: (
    filter: StudyFilter,
    page: { limit: number; offset: number },
    signal: AbortSignal,
  ) => Promise<StudyPage>
  clock: () => number
  /** A request failed; true when the session is over and the page is about to go. */
  failed: (error: unknown) => boolean
}

export const pageSize = 50

export function createStudyList({ search, clock, failed }: StudyListDeps): StudyList {
  const page = signal<StudyPage | undefined>(undefined)
  const isLoading = signal(false)
  const failure = signal<unknown>(undefined)
  const updatedAt = signal<number | undefined>(undefined)
  let abort = new AbortController()
  let question: { filterAt: (now: number) => StudyFilter; offset: number } | undefined
  /** The one that the rows on the screen answer. */
  let answered: typeof question

  async function ask(): Promise<void> {
    if (question === undefined) return
    abort.abort()
    abort = new AbortController()
    const { signal } = abort
    const asked = question
    isLoading.value = true
    try {
      const { filterAt, offset } = asked
      const answer = await search(filterAt(clock()), { limit: pageSize, offset }, signal)
      if (signal.aborted) return
      answered = asked
      batch(() => {
        page.value = answer
        failure.value = undefined
        updatedAt.value = clock()
        isLoading.value = false
      })
    } catch (error) {
      if (signal.aborted || isAborted(error)) return
      batch(() => {
        isLoading.value = false
        // Rows that answer another question would pass for those that were asked for.
        if (answered !== asked) page.value = undefined
        if (!failed(error)) failure.value = error
      })
    }
  }

  return {
    page,
    isLoading,
    failure,
    updatedAt,
    load(filterAt, offset) {
      const scopeOf = (one: typeof filterAt) => one(clock()).scope
      const scopeChanged =
        question !== undefined && scopeOf(question.filterAt) !== scopeOf(filterAt)
      question = { filterAt, offset }
      // Rows of one's own organization under the heading of the region would be a lie.
      if (scopeChanged) page.value = undefined
      void ask()
    },
    refresh: () => void ask(),
    [Symbol.dispose]: () => abort.abort(),
  }
}
