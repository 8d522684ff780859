import type { ComponentChildren } from 'preact'
import { signOut } from '../api/session.ts'
import { sectionsOf } from '../desk/sections.ts'
import { AboutButton } from './about-dialog.tsx'
import { FactorNotice } from './account-dialog.tsx'
import { useApp, useTranslation } from './app-context.ts'
import { Icon } from './icons.tsx'
import { LanguageSwitch } from './language-switch.tsx'
import { Mark } from './mark.tsx'

/** The product, the organization and who is signed in. */
export function TopBar({ children }: { children?: ComponentChildren }) {
  const state = useApp()
  const { t } = useTranslation()
  const session = state.session.value
  if (typeof session !== 'object') return null
  const { user, organization, demo } = session
  const leave = () => {
    // Whatever the server says, this page forgets who was here.
    void signOut().catch(() => undefined)
    state.signedOut()
  }
  return (
    <>
      <header class="top-bar">
        <Mark size={26} />
        <strong>{t('product')}</strong>
        <span class="organization" title={organization.oid}>
          {organization.name}
        </span>
        {demo && (
          <span class="chip" title={t('demoNotice')}>
            {t('demo')}
          </span>
        )}
        <div class="top-bar-end">
          {children}
          {children === undefined && sectionsOf(user.roles).length > 0 && (
            <a class="button quiet" href="/desk" data-testid="desk">
              <Icon name="inbox" size={18} />
              {t('desk')}
            </a>
          )}
          <LanguageSwitch />
          <AboutButton />
          <button
            type="button"
            class="button quiet user"
            title={t('account')}
            data-testid="account-open"
            onClick={() => (state.isAccountOpen.value = true)}
          >
            <Icon name="user" />
            <span>
              {user.name}
              {user.position !== '' && <small>{user.position}</small>}
            </span>
          </button>
          <button
            type="button"
            class="icon-button"
            title={t('signOut')}
            aria-label={t('signOut')}
            data-testid="sign-out"
            onClick={leave}
          >
            <Icon name="exit" />
          </button>
        </div>
      </header>
      <FactorNotice />
    </>
  )
}
