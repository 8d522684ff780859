import { lazy } from 'preact-iso'
import { useState } from 'preact/hooks'
import { currentSession } from '../api/session.ts'
import { useApp, useTranslation } from './app-context.ts'
import { Dialog } from './dialog.tsx'
import { Icon } from './icons.tsx'

// Few open it, once: it brings what draws the square for telephones.
const Enrolment = lazy(() => import('./enrolment.tsx').then((module) => module.Enrolment))

/** Who is signed in, and her second factor: whether it is there, and how to set it up or replace it. */
export function AccountDialog() {
  const state = useApp()
  const { t, count } = useTranslation()
  const [isEnrolling, setEnrolling] = useState(false)
  const session = state.session.value
  if (typeof session !== 'object' || !state.isAccountOpen.value) return null
  const close = () => {
    setEnrolling(false)
    state.isAccountOpen.value = false
    state.isAccountHeld.value = false
    // What she may do has changed with it.
    if (isEnrolling) void currentSession().then(state.signedIn, state.failed)
  }
  const { user, secondFactor, organization } = session
  const { state: factor, isNeeded, recoveryCodes } = secondFactor
  const about = { off: 'factorOff', absent: 'factorAbsent', set: 'factorSet' } as const
  return (
    <Dialog title={t('account')} isHeld={state.isAccountHeld.value} onClose={close}>
      <p data-testid="account">
        <strong>{user.name}</strong>
        <br />
        <span class="muted">
          {[user.position, organization.name, user.login].filter(Boolean).join(' · ')}
        </span>
      </p>
      {isEnrolling ? (
        <Enrolment isReplacing={factor === 'set'} close={close} />
      ) : (
        <>
          <p data-testid="factor-state" data-state={factor}>
            {t(about[factor])} {factor === 'set' && count('recoveryCodes', recoveryCodes)}
          </p>
          {isNeeded && (
            <p class="notice warning">
              <Icon name="warning" size={18} />
              {t('factorNeeded')}
            </p>
          )}
          {factor !== 'off' && (
            <button
              type="button"
              class="button primary"
              data-testid="factor-begin"
              onClick={() => setEnrolling(true)}
            >
              {t(factor === 'set' ? 'factorReplace' : 'factorBegin')}
            </button>
          )}
        </>
      )}
    </Dialog>
  )
}

/** Says on every page what she cannot do yet, and leads to where she mends it. */
export function FactorNotice() {
  const state = useApp()
  const { t } = useTranslation()
  const session = state.session.value
  if (typeof session !== 'object' || !session.secondFactor.isNeeded) return null
  return (
    <p class="notice warning factor-notice" role="status" data-testid="factor-notice">
      <Icon name="warning" size={18} />
      <span>{t('factorNeeded')}</span>
      <button
        type="button"
        class="button small"
        data-testid="factor-open"
        onClick={() => (state.isAccountOpen.value = true)}
      >
        {t('factorBegin')}
      </button>
    </p>
  )
}
