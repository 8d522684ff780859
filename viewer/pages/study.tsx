import { type Signal, useSignal } from '@preact/signals'
import { useEffect, useMemo } from 'preact/hooks'
import { useLocation, useRoute } from 'preact-iso'
import { loadStudy, type Study } from '../api/studies.ts'
import { followTransfer, type Transfer } from '../api/transfer.ts'
import { holderOf, type HolderState } from '../list/holder.ts'
import { presenceMs } from '../parts/activity.ts'
import { useApp, useTranslation } from '../parts/app-context.ts'
import { AboutButton } from '../parts/about-dialog.tsx'
import { type AppState, errorText } from '../parts/app-state.ts'
import { LanguageSwitch } from '../parts/language-switch.tsx'
import { Message } from '../parts/message.tsx'
import { ClosedStudy } from '../study/closed-study.tsx'
import { EmergencyAccess } from '../study/emergency.tsx'
import { HelpDialog } from '../study/help-dialog.tsx'
import { commandOf, isForControl } from '../study/keys.ts'
import { LoadProgress } from '../study/load-progress.tsx'
import { ObjectPanel } from '../study/object-panel.tsx'
import { isPermanent, openStudy } from '../study/open-study.ts'
import { PatientBar } from '../study/patient-bar.tsx'
import { Rail } from '../study/rail.tsx'
import { createStudyRow, type StudyRow } from '../study/study-row.ts'
import { createStudyView, type StudyView } from '../study/study-view.ts'
import { Toolbar } from '../study/toolbar.tsx'
import { useAccess } from '../study/use-access.ts'
import { Viewport } from '../study/viewport.tsx'

/** How often what failed for a passing reason is tried again. */
const retryMs = 10_000

export function StudyPage() {
  const uid = useRoute().params['uid'] ?? ''
  const { listAddress } = useApp()
  const { route } = useLocation()
  const access = useAccess(uid)
  // What is not to be read any more leaves the screen and the memory of the page.
  if (access !== undefined) {
    return <ClosedStudy {...access} back={() => route(listAddress.value)} />
  }
  return <OpenStudy key={uid} uid={uid} />
}

function OpenStudy({ uid }: { uid: string }) {
  const state = useApp()
  const { route } = useLocation()
  const row = useStudyRow(uid, state)
  const { study } = row
  const transfer = useSignal<Transfer | undefined>(undefined)
  const failure = useSignal<unknown>(undefined)
  const isStarted = useSignal(false)
  const view = useMemo(
    () => createStudyView(openStudy(uid, state), () => route(state.listAddress.value)),
    [],
  )
  const start = () => {
    view.session
      .start()
      .then(() => {
        failure.value = undefined
        isStarted.value = true
      })
      .catch((error: unknown) => (failure.value = error))
  }
  const restart = () => {
    void row.ask()
    if (failure.value !== undefined && !isPermanent(failure.value)) start()
  }
  useEffect(() => {
    state.lastStudy.value = uid
    start()
    return () => view.session[Symbol.dispose]()
  }, [])
  useRetry(view, { isAway: () => state.idleMs() > presenceMs, restart })
  useKeys(view)

  const holder = holderOfStudy(study.value, state)
  useTransfer(uid, transfer, holder?.isOwn === false)
  return (
    <div class="study-page" data-testid="study-page" data-study={uid}>
      <PatientBar study={study.value} holder={holder} back={() => view.run('back')}>
        <LoadProgress view={view} transfer={transfer.value} />
        <LanguageSwitch />
        <AboutButton />
      </PatientBar>
      <Toolbar view={view} />
      <div class="study-body">
        {view.isRailOpen.value && <Rail view={view} />}
        <main class="stage-area">
          <Content
            uid={uid}
            view={view}
            isStarted={isStarted.value}
            isKnown={study.value !== undefined}
            failure={failure.value}
            retry={() => {
              failure.value = undefined
              start()
            }}
          />
        </main>
      </div>
      {view.isHelpOpen.value && <HelpDialog onClose={() => (view.isHelpOpen.value = false)} />}
    </div>
  )
}

/** Images do not wait for the row that names their patient. */
function useStudyRow(uid: string, { failed }: AppState): StudyRow {
  const row = useMemo(() => {
    const load = (signal: AbortSignal) => loadStudy(uid, signal)
    return createStudyRow({ load, isPermanent, failed })
  }, [])
  useEffect(() => {
    void row.ask()
    return () => row[Symbol.dispose]()
  }, [])
  return row
}

function useTransfer(uid: string, transfer: Signal<Transfer | undefined>, isForeign: boolean) {
  useEffect(() => {
    if (!isForeign) return undefined
    const abort = new AbortController()
    followTransfer(uid, (progress) => (transfer.value = progress), abort.signal)
    return () => abort.abort()
  }, [isForeign])
}

/** A link that comes back is noticed without anybody pressing anything. */
function useRetry(
  view: StudyView,
  { isAway, restart }: { isAway: () => boolean; restart: () => void },
): void {
  useEffect(() => {
    const timer = setInterval(() => {
      if (document.hidden || isAway()) return
      restart()
      view.session.retry('passing')
    }, retryMs)
    return () => clearInterval(timer)
  }, [])
}

function useKeys(view: StudyView): void {
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      const command = commandOf(event)
      if (command === undefined || isForControl(event.target, event.code)) return
      // A dialog has the keyboard to itself, but for the key that opened it.
      const isOpen = document.querySelector('dialog[open]') !== null
      if (isOpen && !(command === 'help' && view.isHelpOpen.value)) return
      event.preventDefault()
      view.run(command)
    }
    globalThis.addEventListener('keydown', onKeyDown)
    return () => globalThis.removeEventListener('keydown', onKeyDown)
  }, [])
}

function holderOfStudy(study: Study | undefined, { session, region }: AppState) {
  const now = session.value
  if (study === undefined || typeof now !== 'object') return undefined
  return holderOf(study, now.organization, region.value) satisfies HolderState
}

type ContentProps = {
  uid: string
  view: StudyView
  isStarted: boolean
  /** The study is in the list. */
  isKnown: boolean
  failure: unknown
  retry: () => void
}

/** The image, or what stands in its place. */
function Content({ uid, view, isStarted, isKnown, failure, retry }: ContentProps) {
  const translation = useTranslation()
  const { t } = translation
  const { active, other, outOfMemory, series } = view.session
  if (failure !== undefined && isRefused(failure)) {
    return <Refused study={uid} />
  }
  if (failure !== undefined) {
    return (
      <Message
        icon="warning"
        title={t('studyNotOpened')}
        text={errorText(failure, translation)}
        action={{ label: t('retry'), run: retry }}
      />
    )
  }
  if (outOfMemory.value) return <Message icon="warning" title={t('outOfMemory')} />
  if (other.value !== undefined) return <ObjectPanel object={other.value} />
  const reader = active.value
  if (reader !== undefined) {
    return <Viewport key={reader.session.stack.key} view={view} reader={reader} />
  }
  if (isStarted && series.value.length === 0) {
    // A study that may not be read is left out of searches, so it has no series for this reader.
    return isKnown ? (
      <Message
        icon="inbox"
        title={t('studyEmpty')}
        text={t('studyEmptyText')}
        action={{ label: t('retry'), run: retry }}
      />
    ) : (
      <Refused study={uid} />
    )
  }
  const [broken] = series.value.filter((entry) => entry.failure !== undefined)
  if (isStarted && broken !== undefined) {
    return (
      <Message
        icon="warning"
        title={t('seriesFailed')}
        text={errorText(broken.failure, translation)}
        action={{ label: t('retry'), run: () => view.session.retry() }}
      />
    )
  }
  return (
    <div class="message" role="status">
      <i class="spinner large" />
      <p>{t('studyLoading')}</p>
    </div>
  )
}

function Refused({ study }: { study: string }) {
  const { session, isAccountOpen } = useApp()
  const { t } = useTranslation()
  const who = session.value
  if (typeof who === 'object' && who.secondFactor.isNeeded) {
    const run = () => (isAccountOpen.value = true)
    return (
      <Message
        icon="lock"
        title={t('studyUnavailable')}
        text={t('errorSecondFactor')}
        action={{ label: t('factorBegin'), run }}
      />
    )
  }
  return (
    <Message icon="lock" title={t('studyUnavailable')} text={t('studyForbidden')}>
      <EmergencyAccess study={study} />
    </Message>
  )
}

const isRefused = (failure: unknown) =>
  typeof failure === 'object' && failure !== null && 'status' in failure && failure.status === 403
