import { batch, computed, type ReadonlySignal, type Signal, signal } from '@preact/signals'
import { ApiError } from '../api/http.ts'
import type { Region } from '../api/region.ts'
import type { Session } from '../api/session.ts'
import type { DecoderPool } from '../imaging/decoder-pool.ts'
import { createTranslation, type Key, type Language, type Translation } from '../i18n/i18n.ts'

/** What every page shares. Nothing of it outlives the tab but the language. */
export type AppState = {
  /** `undefined` while it is not known yet whether somebody is signed in. */
  session: Signal<Session | 'none' | undefined>
  language: Signal<Language>
  translation: ReadonlySignal<Translation>
  region: Signal<Region | undefined>
  /** Why the sign-in page is shown, when it is not the reader's own doing. */
  notice: Signal<Key | undefined>
  /** «Учётная запись»: from wherever something is missing that is set up there. */
  isAccountOpen: Signal<boolean>
  /** Its recovery codes, which are shown once, are coming or on the screen: only her word that she has them closes it. */
  isAccountHeld: Signal<boolean>
  /** The free text of the list. It may be a patient's name, so it lives here and not in the page's address. */
  searchText: Signal<string>
  /** Where the reader was in the list, to come back to the same row. */
  lastStudy: Signal<string>
  /** The list with the filters that she left it with. */
  listAddress: Signal<string>
  decoders: DecoderPool
  /** How long nobody has touched anything. Asking the node on our own must not keep a forgotten session alive. */
  idleMs: () => number
  /** Somebody has signed in with this browser and not signed out. The secret itself no script can see. */
  mayBeSignedIn: () => boolean
  /** A request failed: signs out when the session is over. Says whether that was the reason. */
  failed: (error: unknown) => boolean
  signedIn: (session: Session | undefined) => void
  signedOut: () => void
}

const languageKey = 'cami-language'
const signedInKey = 'cami-signed-in'

export type AppStateDeps = {
  decoders: DecoderPool
  storage: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>
  idleMs: () => number
}

export function createAppState({ decoders, storage, idleMs }: AppStateDeps): AppState {
  const language = signal<Language>(storage.getItem(languageKey) === 'en' ? 'en' : 'ru')
  language.subscribe((value) => storage.setItem(languageKey, value))
  const session: AppState['session'] = signal(undefined)
  let signedInAt = 0
  session.subscribe((now) => {
    if (typeof now === 'object') signedInAt = performance.now()
  })
  let lastLogin: string | undefined
  const forget = () => {
    state.searchText.value = ''
    state.lastStudy.value = ''
    state.listAddress.value = '/'
  }
  const state: AppState = {
    session,
    language,
    translation: computed(() => createTranslation(language.value)),
    region: signal(undefined),
    notice: signal(undefined),
    isAccountOpen: signal(false),
    isAccountHeld: signal(false),
    searchText: signal(''),
    lastStudy: signal(''),
    listAddress: signal('/'),
    decoders,
    idleMs,
    mayBeSignedIn: () => storage.getItem(signedInKey) !== null,
    failed(error) {
      if (!(error instanceof ApiError) || error.status !== 401) return false
      // Asked under a session from before: it says nothing of this one.
      if (error.askedAt < signedInAt) return false
      // Asked under the secret from before, it may be. Whether she is signed in, is asked when she has her codes.
      if (state.isAccountHeld.value) return true
      state.isAccountOpen.value = false
      if (typeof state.session.value === 'object') {
        state.notice.value = error.code === 'user_disabled' ? 'errorDisabled' : 'sessionOver'
      }
      storage.removeItem(signedInKey)
      state.session.value = 'none'
      return true
    },
    signedIn(session) {
      batch(() => {
        // What one reader searched for must not greet the next one.
        if (session?.user.login !== lastLogin) forget()
        lastLogin = session?.user.login
        if (session === undefined) storage.removeItem(signedInKey)
        else storage.setItem(signedInKey, 'yes')
        state.notice.value = undefined
        state.session.value = session ?? 'none'
      })
    },
    signedOut() {
      batch(() => {
        forget()
        state.isAccountOpen.value = false
        state.isAccountHeld.value = false
        storage.removeItem(signedInKey)
        state.notice.value = undefined
        state.session.value = 'none'
      })
    },
  }
  return state
}

/** A sentence for people about an error of the interface. */
export function errorText(error: unknown, { t }: Pick<Translation, 't'>): string {
  if (!(error instanceof ApiError)) return t('errorInternal')
  if (error.sentence !== undefined) return error.sentence
  const key = errorKeys[error.code]
  if (key !== undefined) return t(key)
  if (error.status === 403) return t('errorForbidden')
  if (error.status === 429) return t('errorRate')
  return error.status >= 500 ? t('errorInternal') : t('errorOther', { code: error.code })
}

const errorKeys: { [code: string]: Key | undefined } = {
  unreachable: 'errorUnreachable',
  unavailable: 'errorUnreachable',
  forbidden: 'errorForbidden',
  internal: 'errorInternal',
  holder_unreachable: 'errorHolder',
  rate_limited: 'errorRate',
  user_disabled: 'errorDisabled',
  second_factor_required: 'errorSecondFactor',
}
