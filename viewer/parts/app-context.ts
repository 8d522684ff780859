import { createContext } from 'preact'
import { useContext } from 'preact/hooks'
import type { Translation } from '../i18n/i18n.ts'
import type { AppState } from './app-state.ts'

export const AppContext = createContext<AppState | undefined>(undefined)

export function useApp(): AppState {
  const state = useContext(AppContext)
  if (state === undefined) throw new Error('AppContext is missing')
  return state
}

/** Texts in the language of the moment; the component that asks follows a change of it. */
export const useTranslation = (): Translation => useApp().translation.value
