import { type Signal, useSignal } from '@preact/signals'
import type { RefObject } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { ApiError } from '../api/http.ts'
import { signIn } from '../api/session.ts'
import { useApp, useTranslation } from '../parts/app-context.ts'
import { errorText } from '../parts/app-state.ts'
import { Icon } from '../parts/icons.tsx'
import { LanguageSwitch } from '../parts/language-switch.tsx'
import { AboutButton } from '../parts/about-dialog.tsx'
import { Mark } from '../parts/mark.tsx'

export function LoginPage() {
  const state = useApp()
  const { t } = useTranslation()
  return (
    <main class="login">
      <div class="login-corner">
        <LanguageSwitch />
      </div>
      <LoginForm />
      <footer class="login-foot">
        {state.region.value?.demo === true && <span>{t('demoNotice')}</span>}
        <AboutButton />
      </footer>
    </main>
  )
}

function LoginForm() {
  const state = useApp()
  const { t } = useTranslation()
  const login = useSignal('')
  const password = useSignal('')
  const code = useSignal('')
  /** The password was right, and a code is asked for. */
  const isSecondStep = useSignal(false)
  const isBusy = useSignal(false)
  const failure = useSignal('')
  const submit = async (event: Event) => {
    event.preventDefault()
    if (isBusy.value) return
    isBusy.value = true
    failure.value = ''
    try {
      const given = { login: login.value.trim(), password: password.value }
      const second = isSecondStep.value && { code: code.value.trim() }
      state.signedIn(await signIn({ ...given, ...second }))
    } catch (error) {
      code.value = ''
      if (error instanceof ApiError && error.code === 'second_factor_required') {
        isSecondStep.value = true
        return
      }
      failure.value = signInError(error, { t, isSecondStep: isSecondStep.value })
      if (!isSecondStep.value) password.value = ''
    } finally {
      isBusy.value = false
    }
  }
  const back = () => {
    isSecondStep.value = false
    password.value = ''
    failure.value = ''
  }
  return (
    <form class="login-card" onSubmit={(event) => void submit(event)} aria-labelledby="login-title">
      <Brand />
      {state.notice.value !== undefined && (
        <p class="notice" role="status">
          <Icon name="info" size={18} />
          {t(state.notice.value)}
        </p>
      )}
      {isSecondStep.value ? (
        <CodeField code={code} />
      ) : (
        <Fields login={login} password={password} />
      )}
      {failure.value !== '' && (
        <p class="form-error" role="alert" data-testid="sign-in-error">
          <Icon name="warning" size={18} />
          {failure}
        </p>
      )}
      <button class="button primary wide" data-testid="sign-in" disabled={isBusy}>
        {t(isBusy.value ? 'signingIn' : 'signIn')}
      </button>
      {isSecondStep.value && (
        <button type="button" class="button quiet" data-testid="other-login" onClick={back}>
          {t('otherLogin')}
        </button>
      )}
      <p class="hint">{t(isSecondStep.value ? 'codeHint' : 'signInHint')}</p>
    </form>
  )
}

function Brand() {
  const { t } = useTranslation()
  return (
    <div class="login-brand">
      <Mark size={44} />
      <div>
        <h1 id="login-title">{t('product')}</h1>
        <p>{t('productFull')}</p>
      </div>
    </div>
  )
}

function Fields({ login, password }: { login: Signal<string>; password: Signal<string> }) {
  const { t } = useTranslation()
  const first = useRef<HTMLInputElement>(null)
  const secret = useRef<HTMLInputElement>(null)
  useEffect(() => first.current?.focus(), [])
  return (
    <>
      <label class="field">
        <span>{t('login')}</span>
        <input
          ref={first}
          name="login"
          data-testid="login"
          autocomplete="username"
          autocapitalize="off"
          spellcheck={false}
          required
          maxLength={128}
          value={login}
          onInput={(event) => (login.value = event.currentTarget.value)}
        />
      </label>
      <label class="field">
        <span>{t('password')}</span>
        <input
          ref={secret}
          name="password"
          data-testid="password"
          type="password"
          autocomplete="current-password"
          required
          maxLength={256}
          value={password}
          onInput={(event) => (password.value = event.currentTarget.value)}
        />
      </label>
      <ShowPassword field={secret} />
    </>
  )
}

/** What the telephone shows, or one of the recovery codes. */
function CodeField({ code }: { code: Signal<string> }) {
  const { t } = useTranslation()
  const field = useRef<HTMLInputElement>(null)
  useEffect(() => field.current?.focus(), [])
  return (
    <label class="field">
      <span>{t('code')}</span>
      <input
        ref={field}
        name="code"
        data-testid="code"
        autocomplete="one-time-code"
        autocapitalize="off"
        spellcheck={false}
        required
        maxLength={32}
        value={code}
        onInput={(event) => (code.value = event.currentTarget.value)}
      />
    </label>
  )
}

function ShowPassword({ field }: { field: RefObject<HTMLInputElement | null> }) {
  const { t } = useTranslation()
  return (
    <label class="check">
      <input
        type="checkbox"
        onChange={(event) => {
          if (field.current) field.current.type = event.currentTarget.checked ? 'text' : 'password'
        }}
      />
      <span>{t('showPassword')}</span>
    </label>
  )
}

type Place = Pick<ReturnType<typeof useTranslation>, 't'> & { isSecondStep: boolean }

function signInError(error: unknown, { t, isSecondStep }: Place): string {
  if (!(error instanceof ApiError)) return t('errorInternal')
  if (error.code === 'user_disabled') return t('errorDisabled')
  if (error.status === 429) return t('errorLocked')
  if (error.status === 401 || error.status === 400) {
    return t(isSecondStep ? 'factorWrongCode' : 'errorWrongPassword')
  }
  return errorText(error, { t })
}
