import { computed, signal, type ReadonlySignal, type Signal } from '@preact/signals'
import { createContext } from 'preact'
import { useContext, useEffect, useMemo, useState } from 'preact/hooks'
import { presenceMs } from '../parts/activity.ts'
import { OfficeError, type Session } from './api.ts'
import { createQuestions } from './questions.ts'
import { createTexts, type Language, type Texts } from './texts/texts.ts'

/** What every page of the operator's screens has in common. Nothing of it outlives the tab but the language. */
export type Desk = {
  /** `undefined` until it is known whether somebody is signed in. */
  session: Signal<Session | 'none' | undefined>
  language: Signal<Language>
  texts: ReadonlySignal<Texts>
  /** The session ended while somebody was working. */
  isOver: Signal<boolean>
  failed(error: unknown): void
  /** How long nobody has touched anything. */
  idleMs: () => number
}

const languageKey = 'cami-language'

export function createDesk(
  storage: Pick<Storage, 'getItem' | 'setItem'>,
  idleMs: () => number,
): Desk {
  const language = signal<Language>(storage.getItem(languageKey) === 'en' ? 'en' : 'ru')
  language.subscribe((value) => storage.setItem(languageKey, value))
  const session: Desk['session'] = signal(undefined)
  let signedInAt = 0
  session.subscribe((now) => {
    if (typeof now === 'object') signedInAt = performance.now()
  })
  const isOver = signal(false)
  return {
    session,
    language,
    texts: computed(() => createTexts(language.value)),
    isOver,
    idleMs,
    failed(error) {
      if (!(error instanceof OfficeError) || error.status !== 401) return
      // Asked under a session from before: it says nothing of this one.
      if (error.askedAt < signedInAt) return
      // A code that did not fit says nothing of the session.
      if (error.code === 'second_factor_required') return
      isOver.value = typeof session.value === 'object'
      session.value = 'none'
    },
  }
}

export const DeskContext = createContext<Desk | undefined>(undefined)

export function useDesk(): Desk {
  const desk = useContext(DeskContext)
  if (desk === undefined) throw new Error('DeskContext is missing')
  return desk
}

export const useTexts = (): Texts => useDesk().texts.value

export function useSession(): Session {
  const session = useDesk().session.value
  if (typeof session !== 'object') throw new Error('nobody is signed in')
  return session
}

export type Loaded<T> = { value?: T; error?: unknown; reload(): Promise<void> }

/**
 * What a page shows. Reloading keeps what is there until the new is here; an answer to an older question is dropped. With
 * `everyMs` it asks again by itself, as long as somebody is there: a forgotten page must not keep a session alive.
 */
export function useLoad<T>(
  load: () => Promise<T>,
  of: readonly unknown[],
  everyMs?: number,
): Loaded<T> {
  const desk = useDesk()
  const [state, setState] = useState<{ value?: T; error?: unknown }>({})
  const questions = useMemo(
    () =>
      createQuestions<T>({
        answered: (value) => setState({ value }),
        failed: (error) => setState((before) => ({ ...before, error })),
      }),
    of,
  )
  const watched = async () => {
    try {
      return await load()
    } catch (error) {
      desk.failed(error)
      throw error
    }
  }
  useEffect(() => {
    setState({})
    void questions.ask(watched)
    const again = () => {
      if (!document.hidden && desk.idleMs() < presenceMs) void questions.askAgain(watched)
    }
    const timer = everyMs === undefined ? undefined : setInterval(again, everyMs)
    return () => {
      questions.stop()
      clearInterval(timer)
    }
  }, of)
  return { ...state, reload: () => questions.ask(watched) }
}

/** A sentence about a failure that says what to do; wrong fields are said at the fields. */
export function errorSentence(error: unknown, { t }: Texts): string {
  if (!(error instanceof OfficeError)) return t('errorInternal')
  if (error.reason === 'invalid' && error.fields.length > 0) {
    return `${t('refusal_invalid')} ${error.fields.map(({ message }) => message).join(' ')}`
  }
  if (error.reason !== undefined) return t(`refusal_${error.reason}`)
  if (error.code === 'unreachable' || error.status === 503) return t('errorUnreachable')
  if (error.code === 'second_factor_required') return t('wrongCode')
  if (error.code === 'role_missing') return t('errorRole')
  if (error.code === 'not_found') return t('errorNotFound')
  if (error.code === 'conflict') return t('errorConflict')
  if (error.code === 'too_large') return t('errorTooLarge')
  if (error.code === 'unsupported') return t('errorUnsupported')
  if (error.status === 429) return t('errorRate')
  return error.status >= 500 ? t('errorInternal') : t('errorOther', { code: error.code })
}
