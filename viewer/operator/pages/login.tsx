import { useEffect, useRef, useState } from 'preact/hooks'
import { Icon } from '../../parts/icons.tsx'
import { Mark } from '../../parts/mark.tsx'
import { OfficeError, post, type Session } from '../api.ts'
import { errorSentence, useDesk, useTexts } from '../desk.ts'
import type { Texts } from '../texts/texts.ts'

export function LanguageButton() {
  const { language } = useDesk()
  const { t } = useTexts()
  const other = language.value === 'ru' ? 'en' : 'ru'
  return (
    <button
      type="button"
      class="button quiet"
      lang={other}
      onClick={() => (language.value = other)}
    >
      {t('language')}
    </button>
  )
}

export function Brand() {
  const { t } = useTexts()
  return (
    <div class="login-brand">
      <Mark size={44} />
      <div>
        <h1>{t('product')}</h1>
        <p>{t('productFull')}</p>
      </div>
    </div>
  )
}

/** Login and password, then the code where the policy asks for it. */
export function LoginPage() {
  const desk = useDesk()
  const texts = useTexts()
  const { t } = texts
  const [login, setLogin] = useState('')
  const [password, setPassword] = useState('')
  const [code, setCode] = useState('')
  const [needsCode, setNeedsCode] = useState(false)
  const [isBusy, setBusy] = useState(false)
  const [failure, setFailure] = useState('')
  const session = desk.session.value
  const isForeign = typeof session === 'object'
  const submit = async (event: Event) => {
    event.preventDefault()
    if (isBusy) return
    setBusy(true)
    setFailure('')
    try {
      const body = { login: login.trim(), password, ...(needsCode && { code: code.trim() }) }
      const { token: _, ...person } = await post<Session & { token: string }>('/api/session', body)
      desk.isOver.value = false
      desk.session.value = person
    } catch (error) {
      const asksCode = error instanceof OfficeError && error.code === 'second_factor_required'
      if (asksCode && !needsCode) setNeedsCode(true)
      else setFailure(sentence(error, texts, needsCode))
      setCode('')
    } finally {
      setBusy(false)
    }
  }
  return (
    <main class="login">
      <div class="login-corner">
        <LanguageButton />
      </div>
      <form class="login-card" onSubmit={(event) => void submit(event)}>
        <Brand />
        {desk.isOver.value && <p class="notice">{t('sessionOver')}</p>}
        {isForeign && <p class="notice warning">{t('notOperator')}</p>}
        {needsCode ? (
          <Line name="code" label={t('code')} hint={t('codeHint')} value={code} onInput={setCode} />
        ) : (
          <>
            <Line name="login" label={t('login')} value={login} onInput={setLogin} />
            <Line name="password" label={t('password')} value={password} onInput={setPassword} />
          </>
        )}
        {failure !== '' && (
          <p class="form-error" role="alert">
            <Icon name="warning" size={18} />
            {failure}
          </p>
        )}
        <button class="button primary wide" data-testid="sign-in" disabled={isBusy}>
          {t(isBusy ? 'signingIn' : needsCode ? 'continueLabel' : 'signIn')}
        </button>
        {needsCode && (
          <button type="button" class="button quiet" onClick={() => setNeedsCode(false)}>
            {t('back')}
          </button>
        )}
      </form>
    </main>
  )
}

const autocomplete: { [name: string]: string } = {
  login: 'username',
  password: 'current-password',
  code: 'one-time-code',
  new: 'new-password',
  repeat: 'new-password',
}

const secrets = new Set(['password', 'new', 'repeat'])

type LineProps = {
  name: string
  label: string
  value: string
  hint?: string
  onInput: (value: string) => void
}

export function Line({ name, label, value, hint, onInput }: LineProps) {
  const field = useRef<HTMLInputElement>(null)
  useEffect(() => {
    if (name !== 'password' && name !== 'repeat') field.current?.focus()
  }, [])
  return (
    <label class="field">
      <span>{label}</span>
      <input
        ref={field}
        name={name}
        {...(secrets.has(name) && { type: 'password' })}
        inputMode={name === 'code' ? 'numeric' : undefined}
        autocomplete={autocomplete[name]}
        autocapitalize="off"
        spellcheck={false}
        required
        maxLength={256}
        value={value}
        onInput={(event) => onInput(event.currentTarget.value)}
      />
      {hint !== undefined && <small>{hint}</small>}
    </label>
  )
}

function sentence(error: unknown, texts: Texts, hadCode: boolean): string {
  if (!(error instanceof OfficeError)) return texts.t('errorInternal')
  if (error.status === 401 || error.status === 400) {
    return texts.t(hadCode ? 'wrongCode' : 'wrongPassword')
  }
  return errorSentence(error, texts)
}
