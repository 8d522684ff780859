import { type Signal, signal } from '@preact/signals'
import { createContext } from 'preact'
import { useContext, useEffect, useRef, useState } from 'preact/hooks'
import { ApiError, isAborted } from '../api/http.ts'
import { filled, type Translation } from '../i18n/i18n.ts'
import { presenceMs } from '../parts/activity.ts'
import { useApp, useTranslation } from '../parts/app-context.ts'
import { errorText } from '../parts/app-state.ts'
import { type DeskKey, textOf } from './texts.ts'

/** What was just done, and how to take it back. */
export type Notice = { text: string; undo?: number[]; onUndone?: () => void }
export type DeskState = { notice: Signal<Notice | undefined> }

export const createDeskState = (): DeskState => ({ notice: signal(undefined) })
export const DeskContext = createContext<DeskState>(createDeskState())

export type DeskTexts = Translation & {
  d: (key: DeskKey, values?: Record<string, string | number>) => string
  /** Date and time of a moment, in the reader's zone. */
  moment: (epochMs: number) => string
}

/** Texts of these pages; they are loaded with them and not with the pages of those who read. */
export function useTexts(): DeskTexts {
  const translation = useTranslation()
  const { language } = translation
  const moment = new Intl.DateTimeFormat(language === 'ru' ? 'ru-RU' : 'en-GB', {
    dateStyle: 'short',
    timeStyle: 'short',
  })
  return {
    ...translation,
    d: (key, values) => filled(textOf(key, language), values),
    moment: (at) => moment.format(at),
  }
}

export function useDesk(): DeskTexts & DeskState & { roles: string[]; userId: string } {
  const session = useApp().session.value
  const { roles, id: userId } = typeof session === 'object' ? session.user : { roles: [], id: '' }
  return { ...useTexts(), ...useContext(DeskContext), roles, userId }
}

export type Load<T> = {
  data: T | undefined
  failure: unknown
  isLoading: boolean
  reload: () => void
}

/** Asks when the page opens, when `key` changes, and again and again if `everyMs` says so. */
export function useLoad<T>(
  ask: (signal: AbortSignal) => Promise<T>,
  key = '',
  everyMs?: number,
): Load<T> {
  const { failed, idleMs } = useApp()
  const [state, setState] = useState<Omit<Load<T>, 'reload'> & { key: string }>({
    data: undefined,
    failure: undefined,
    isLoading: true,
    key,
  })
  const [turn, setTurn] = useState(0)
  const isAsking = useRef(false)
  useEffect(() => {
    const aborting = new AbortController()
    isAsking.current = true
    setState((was) => ({ ...was, isLoading: true }))
    ask(aborting.signal).then(
      (data) => {
        if (aborting.signal.aborted) return
        isAsking.current = false
        setState({ data, failure: undefined, isLoading: false, key })
      },
      (failure: unknown) => {
        if (aborting.signal.aborted) return
        isAsking.current = false
        if (isAborted(failure) || failed(failure)) return
        setState((was) => ({ ...was, failure, isLoading: false }))
      },
    )
    return () => aborting.abort()
  }, [key, turn])
  useEffect(() => {
    if (everyMs === undefined) return undefined
    const timer = setInterval(() => {
      // On a thin link the answer may take longer than the wait for the next question.
      if (isAsking.current) return
      // Whoever has gone away must not be kept signed in by her browser.
      if (!document.hidden && idleMs() < presenceMs) setTurn((turn) => turn + 1)
    }, everyMs)
    return () => clearInterval(timer)
  }, [everyMs])
  const { data, ...rest } = state
  // What was asked before is not an answer to this question.
  return {
    ...rest,
    data: state.key === key ? data : undefined,
    reload: () => setTurn((now) => now + 1),
  }
}

export type Action = {
  isBusy: boolean
  failure: unknown
  run: (work: () => Promise<void>) => Promise<void>
}

/** One change at a time; what went wrong is kept until the next attempt. */
export function useAction(): Action {
  const { failed } = useApp()
  const [isBusy, setBusy] = useState(false)
  const [failure, setFailure] = useState<unknown>(undefined)
  const isRunning = useRef(false)
  return {
    isBusy,
    failure,
    async run(work) {
      if (isRunning.current) return
      isRunning.current = true
      setBusy(true)
      setFailure(undefined)
      try {
        await work()
      } catch (error) {
        if (!isAborted(error) && !failed(error)) setFailure(error)
      } finally {
        isRunning.current = false
        setBusy(false)
      }
    },
  }
}

/** What went wrong and what to do about it. */
export function deskErrorText(error: unknown, texts: DeskTexts): string {
  const key = error instanceof ApiError ? errorKeys[error.code] : undefined
  return key === undefined ? errorText(error, texts) : texts.d(key)
}

const errorKeys: { [code: string]: DeskKey | undefined } = {
  conflict: 'errorConflict',
  bad_request: 'errorBadRequest',
  not_found: 'errorNotFound',
  too_large: 'errorTooLarge',
  unsupported: 'errorZip',
  instance_malformed: 'errorZip',
  storage_full: 'errorStorageFull',
  peer_unknown: 'errorPeer',
  role_missing: 'errorRole',
}
