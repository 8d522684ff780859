import { useSignalEffect } from '@preact/signals'
import { LocationProvider, Route, Router, useLocation } from 'preact-iso'
import { useEffect, useErrorBoundary } from 'preact/hooks'
import type { ComponentChildren } from 'preact'
import { printName } from '#protocol/fields/full-name.ts'
import { Icon } from '../parts/icons.tsx'
import { Mark } from '../parts/mark.tsx'
import { Message } from '../parts/message.tsx'
import { currentSession, remove, type Session, sideOf } from './api.ts'
import { type Desk, DeskContext, errorSentence, useDesk, useLoad, useTexts } from './desk.ts'
import { AccountsPage } from './pages/accounts.tsx'
import { ActivationPage } from './pages/activation.tsx'
import { AuditPage } from './pages/audit.tsx'
import { EditPage, NewFormPage } from './pages/edit.tsx'
import { FormPage } from './pages/form.tsx'
import { GrantsPage } from './pages/grants.tsx'
import { IdentitiesPage } from './pages/identities.tsx'
import { InboxPage } from './pages/inbox.tsx'
import { LanguageButton, LoginPage } from './pages/login.tsx'
import { OrganizationPage } from './pages/organization.tsx'
import { OrganizationsPage } from './pages/organizations.tsx'
import { RestrictionPage } from './pages/restriction.tsx'
import type { Key } from './texts/texts.ts'

export function App({ desk }: { desk: Desk }) {
  useSignalEffect(() => {
    document.documentElement.lang = desk.language.value
  })
  return (
    <DeskContext.Provider value={desk}>
      <LocationProvider>
        <LastResort>
          <Gate />
        </LastResort>
      </LocationProvider>
    </DeskContext.Provider>
  )
}

/** The pages for who is signed in; sign-in for the others, at whatever address they came to. */
function Gate() {
  const desk = useDesk()
  const texts = useTexts()
  const { path } = useLocation()
  const { error, reload } = useLoad(async () => {
    desk.session.value = await currentSession()
  }, [])
  const session = desk.session.value
  if (path === '/activation') return <ActivationPage />
  if (error !== undefined && session === undefined) {
    return (
      <Message
        icon="warning"
        title={errorSentence(error, texts)}
        action={{ label: texts.t('retry'), run: () => void reload() }}
      />
    )
  }
  if (session === undefined) return <div class="app-loading" role="status" aria-busy="true" />
  if (session === 'none' || sideOf(session) === 'none') return <LoginPage />
  return (
    <div class="office">
      <a class="skip" href="#content">
        {texts.t('skip')}
      </a>
      <TopBar />
      <main id="content" class="office-content" tabIndex={-1}>
        <Router>
          <Route path="/forms/new/:place" component={NewFormPage} />
          <Route path="/forms/:place/:id" component={FormPage} />
          <Route path="/forms/:place/:id/edit" component={EditPage} />
          <Route path="/organizations" component={OrganizationsPage} />
          <Route path="/organizations/:oid" component={OrganizationPage} />
          <Route path="/restrictions/:id" component={RestrictionPage} />
          <Route path="/grants" component={GrantsPage} />
          <Route path="/identities" component={IdentitiesPage} />
          <Route path="/accounts" component={AccountsPage} />
          <Route path="/audit" component={AuditPage} />
          <Route default component={InboxPage} />
        </Router>
      </main>
    </div>
  )
}

type Place = { href: string; label: Key; isHere: (path: string) => boolean }

const at = (href: string, label: Key, isHere = (path: string) => path === href): Place => ({
  href,
  label,
  isHere,
})

const forms = at('/', 'inbox', (path) => path === '/' || path.startsWith('/forms'))

/** The operator's people go everywhere, its administrators to the audit too; an organization's to what is its own. */
function placesOf(session: Session): Place[] {
  if (sideOf(session) === 'organization') {
    const isOwn = (path: string) => /^\/(organizations|restrictions)/.test(path)
    return [forms, at(`/organizations/${session.organization}`, 'ownOrganization', isOwn)]
  }
  return [
    forms,
    at('/organizations', 'organizations', (path) => /^\/(organizations|restrictions)/.test(path)),
    at('/grants', 'grants'),
    at('/identities', 'identities'),
    at('/accounts', 'accounts'),
    ...(session.roles.includes('cami_admin') ? [at('/audit', 'audit')] : []),
  ]
}

function TopBar() {
  const desk = useDesk()
  const { t } = useTexts()
  const { path } = useLocation()
  const session = desk.session.value
  const places = typeof session === 'object' ? placesOf(session) : []
  useEffect(() => {
    const place = places.find(({ isHere }) => isHere(path))
    document.title = [place === undefined ? '' : t(place.label), t('product')].join(' · ')
  })
  if (typeof session !== 'object') return null
  const leave = () => {
    // Whatever the server says, this page forgets who was here.
    void remove('/api/session').catch(() => undefined)
    desk.session.value = 'none'
  }
  return (
    <header class="top-bar">
      <Mark size={26} />
      <strong>{t('product')}</strong>
      <nav class="places">
        {places.map(({ href, label, isHere }) => (
          <a key={href} href={href} aria-current={isHere(path) ? 'page' : undefined}>
            {t(label)}
          </a>
        ))}
      </nav>
      <div class="top-bar-end">
        <LanguageButton />
        <span class="user">
          <Icon name="user" />
          <span>{printName(session.name)}</span>
        </span>
        <button
          type="button"
          class="icon-button"
          title={t('signOut')}
          aria-label={t('signOut')}
          onClick={leave}
        >
          <Icon name="exit" />
        </button>
      </div>
    </header>
  )
}

function LastResort({ children }: { children: ComponentChildren }) {
  const [error] = useErrorBoundary()
  const { t } = useTexts()
  if (error === undefined) return <>{children}</>
  return (
    <Message
      icon="warning"
      title={t('fatal')}
      action={{ label: t('reload'), run: () => location.reload() }}
    />
  )
}
