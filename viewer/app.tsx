import { useSignalEffect } from '@preact/signals'
import { ErrorBoundary, lazy, LocationProvider, Route, Router } from 'preact-iso'
import { useEffect, useErrorBoundary } from 'preact/hooks'
import type { ComponentChildren } from 'preact'
import { currentSession } from './api/session.ts'
import { hasStudies } from './desk/sections.ts'
import { LoginPage } from './pages/login.tsx'
import { StudiesPage } from './pages/studies.tsx'
import { AccountDialog } from './parts/account-dialog.tsx'
import { AppContext, useApp, useTranslation } from './parts/app-context.ts'
import { type AppState, errorText } from './parts/app-state.ts'
import { Message } from './parts/message.tsx'
import { useRegion } from './parts/use-region.ts'
import { useState } from 'preact/hooks'

const StudyPage = lazy(() => import('./pages/study.tsx').then((module) => module.StudyPage))

const DeskPage = lazy(() => import('./pages/desk.tsx').then((module) => module.DeskPage))

export function App({ state }: { state: AppState }) {
  useSignalEffect(() => {
    document.documentElement.lang = state.language.value
    document.title = state.translation.value.t('product')
  })
  return (
    <AppContext.Provider value={state}>
      <LastResort>
        <LocationProvider>
          <Gate state={state} />
        </LocationProvider>
      </LastResort>
    </AppContext.Provider>
  )
}

/** Pages for those who are signed in, and the sign-in page for the others, at whatever address they came to. */
function Gate({ state }: { state: AppState }) {
  const { t } = useTranslation()
  const [failure, setFailure] = useState<unknown>(undefined)
  const ask = () => {
    setFailure(undefined)
    // Asking for a session that cannot be there would be answered with an error.
    if (!state.mayBeSignedIn()) {
      state.signedIn(undefined)
      return
    }
    currentSession().then(state.signedIn).catch(setFailure)
  }
  useEffect(ask, [])
  const session = state.session.value
  if (failure !== undefined) {
    return (
      <Message
        icon="warning"
        title={errorText(failure, { t })}
        action={{ label: t('retry'), run: ask }}
      />
    )
  }
  if (session === undefined) return <div class="app-loading" role="status" aria-busy="true" />
  if (session === 'none') return <LoginPage />
  return <Pages />
}

function Pages() {
  useRegion()
  const session = useApp().session.value
  // An administrator sees no images (vocabulary.md, section 3), so she begins with her own work.
  const isShort = typeof session === 'object' && session.secondFactor.isNeeded
  const isReader = typeof session !== 'object' || hasStudies(session.user.roles)
  return (
    <>
      <ErrorBoundary>
        <AccountDialog />
      </ErrorBoundary>
      {/* What was refused for want of a second factor is asked anew once it is there. */}
      <ErrorBoundary key={isShort ? 'short' : 'whole'}>
        <Router>
          <Route path="/study/:uid" component={StudyPage} />
          <Route path="/desk/:rest*" component={DeskPage} />
          <Route default component={isReader ? StudiesPage : DeskPage} />
        </Router>
      </ErrorBoundary>
    </>
  )
}

/** A page that breaks says so; a blank screen would leave a doctor guessing. */
function LastResort({ children }: { children: ComponentChildren }) {
  const [error] = useErrorBoundary()
  const { t } = useTranslation()
  if (error === undefined) return <>{children}</>
  return (
    <Message
      icon="warning"
      title={t('fatalTitle')}
      text={t('fatalText')}
      action={{ label: t('reload'), run: () => location.reload() }}
    />
  )
}
