import { useState } from 'preact/hooks'
import { Icon } from '../../parts/icons.tsx'
import { OfficeError, post } from '../api.ts'
import { errorSentence, useTexts } from '../desk.ts'
import { Brand, LanguageButton, Line } from './login.tsx'

type Activated = { login: string; totp: { secret: string; uri: string } }

/** What a one-time link opens. The secret stands behind `#`, so that it reaches no server's log. */
export function ActivationPage() {
  const texts = useTexts()
  const { t } = texts
  const [password, setPassword] = useState('')
  const [again, setAgain] = useState('')
  const [failure, setFailure] = useState('')
  const [isBusy, setBusy] = useState(false)
  const [done, setDone] = useState<Activated | undefined>(undefined)
  const submit = async (event: Event) => {
    event.preventDefault()
    if (isBusy) return
    if (password !== again) return setFailure(t('passwordsDiffer'))
    setBusy(true)
    setFailure('')
    try {
      const secret = location.hash.slice(1)
      setDone(await post<Activated>('/api/activation', { secret, password }))
      history.replaceState(null, '', '/activation')
    } catch (error) {
      if (error instanceof OfficeError && error.status === 403) setFailure(t('activationRefused'))
      else if (error instanceof OfficeError && error.status === 400) setFailure(t('passwordWeak'))
      else setFailure(errorSentence(error, texts))
    } finally {
      setBusy(false)
    }
  }
  return (
    <main class="login">
      <div class="login-corner">
        <LanguageButton />
      </div>
      {done === undefined ? (
        <form class="login-card" onSubmit={(event) => void submit(event)}>
          <Brand />
          <h2>{t('activationTitle')}</h2>
          <p class="muted">{t('activationText')}</p>
          <Line name="new" label={t('newPassword')} value={password} onInput={setPassword} />
          <Line name="repeat" label={t('repeatPassword')} value={again} onInput={setAgain} />
          {failure !== '' && (
            <p class="form-error" role="alert">
              <Icon name="warning" size={18} />
              {failure}
            </p>
          )}
          <button class="button primary wide" disabled={isBusy}>
            {t(isBusy ? 'working' : 'setPassword')}
          </button>
        </form>
      ) : (
        <section class="login-card" data-testid="activated">
          <Brand />
          <h2>{t('activated', { login: done.login })}</h2>
          <p>{t('activatedCode')}</p>
          <code class="secret">{done.totp.secret}</code>
          <a class="button primary wide" href="/">
            {t('signIn')}
          </a>
        </section>
      )}
    </main>
  )
}
