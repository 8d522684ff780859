import { useState } from 'preact/hooks'
import { Icon } from '../parts/icons.tsx'
import { studyAddress } from '../list/study-table.tsx'
import { type Findings, get, type Overlay, reject } from './api.ts'
import { distinctFindings, personText } from './fields.ts'
import { findingText } from './finding-text.ts'
import { Choices, Failure, Head, Loaded, useWhy, Warning, whyGiven, WhyFields } from './frame.tsx'
import { OverlayRows } from './history.tsx'
import { PatientForm } from './patient-form.tsx'
import { correctors, hasStudies, isAllowed, rejecters } from './sections.ts'
import { useAction, useDesk, useLoad } from './use-desk.ts'

/** One study as those see it who put it right: its data, what was found, what was done, and hiding it. */
export function StudyDesk({ study }: { study: string }) {
  const { d, t, roles, date, moment } = useDesk()
  const found = useLoad<Findings>((signal) => get(`/api/studies/${study}/quality`, signal))
  const history = useLoad<{ overlays: Overlay[] }>((signal) =>
    get(`/api/corrections?study=${study}&limit=200`, signal),
  )
  const reload = () => {
    found.reload()
    history.reload()
  }
  const overlays = history.data?.overlays ?? []
  const data = found.data
  const hiding = overlays.find(
    ({ kind, target, revertedBy }) =>
      kind === 'reject' && target.level === 'study' && revertedBy === undefined,
  )
  if (hiding !== undefined) {
    return (
      <>
        <Head title={d('studyDesk')} />
        <Warning>{d('isHidden')}</Warning>
        <HistoryCard overlays={overlays} onChanged={reload} />
      </>
    )
  }
  const title = data === undefined ? d('studyDesk') : personText(data.patient.name) || t('noName')
  const hint =
    data &&
    [data.description, date(data.date), data.device, d('received', { at: moment(data.receivedAt) })]
      .filter(Boolean)
      .join(' · ')
  return (
    <>
      <Head title={title} {...(hint !== undefined && { hint })}>
        {hasStudies(roles) && (
          <a class="button" href={studyAddress(study)}>
            <Icon name="images" size={18} />
            {d('openImages')}
          </a>
        )}
      </Head>
      <Loaded load={found}>
        {(data) => (
          <Cards findings={data} overlays={overlays} reload={reload} onHidden={history.reload} />
        )}
      </Loaded>
    </>
  )
}

type CardsProps = {
  findings: Findings
  overlays: readonly Overlay[]
  reload: () => void
  onHidden: () => void
}

function Cards({ findings, overlays, reload, onHidden }: CardsProps) {
  const { roles } = useDesk()
  return (
    <div class="desk-columns">
      <div class="desk-stack">
        {isAllowed(correctors, roles) && (
          <PatientForm
            key={JSON.stringify(findings.patient)}
            findings={findings}
            overlays={overlays}
            onSaved={reload}
          />
        )}
        {isAllowed(rejecters, roles) && (
          <HideStudy study={findings.study} onHidden={onHidden} onUndone={reload} />
        )}
      </div>
      <div class="desk-stack">
        <FoundCard findings={findings} />
        <HistoryCard overlays={overlays} onChanged={reload} />
      </div>
    </div>
  )
}

type HistoryProps = { overlays: readonly Overlay[]; onChanged: () => void }

function HistoryCard({ overlays, onChanged }: HistoryProps) {
  const { d } = useDesk()
  return (
    <section class="desk-card">
      <h2>{d('historyOfStudy')}</h2>
      {overlays.length === 0 ? (
        <p class="muted">{d('historyOfStudyNone')}</p>
      ) : (
        <OverlayRows overlays={overlays} onChanged={onChanged} isShort />
      )}
    </section>
  )
}

function FoundCard({ findings: { findings } }: { findings: Findings }) {
  const texts = useDesk()
  return (
    <section class="desk-card">
      <h2>{texts.d('findings')}</h2>
      {findings.length === 0 && <p class="muted">{texts.d('findingsNone')}</p>}
      <ul class="desk-findings">
        {distinctFindings(findings).map((finding) => (
          <li key={`${finding.code}${finding.detail}`} class={finding.action}>
            {findingText(finding, texts)}
          </li>
        ))}
      </ul>
    </section>
  )
}

const codes = ['113001', '113037', '113038', '113039'] as const

type HideProps = { study: string; onHidden: () => void; onUndone: () => void }

function HideStudy({ study, onHidden, onUndone }: HideProps) {
  const { d, notice } = useDesk()
  const action = useAction()
  const [isOpen, setOpen] = useState(false)
  const [code, setCode] = useState<(typeof codes)[number]>('113001')
  const [why, setWhy] = useWhy()
  const hide = () =>
    action.run(async () => {
      const undo = await reject(study, code, whyGiven(why))
      notice.value = { text: d('hidden'), undo, onUndone }
      setOpen(false)
      onHidden()
    })
  return (
    <section class="desk-card">
      <div class="desk-card-head">
        <div>
          <h2>{d('hideStudy')}</h2>
          <p class="muted">{d('hideHint')}</p>
        </div>
        {!isOpen && (
          <button type="button" class="button" onClick={() => setOpen(true)} data-testid="hide">
            {d('hideStudy')}…
          </button>
        )}
      </div>
      {isOpen && (
        <form
          class="desk-form"
          onSubmit={(event) => {
            event.preventDefault()
            void hide()
          }}
        >
          <Choices
            options={codes.map((one) => [one, d(`code${one}`)])}
            value={code}
            change={setCode}
            isWide
          />
          <WhyFields why={why} change={setWhy} usual={['whyRetaken', 'whyWrongStudy', 'whyTest']} />
          <Failure action={action} />
          <div class="desk-acts">
            <button
              type="submit"
              class="button danger"
              data-testid="hide-now"
              disabled={action.isBusy || why.reason.trim() === ''}
            >
              {d('hideStudy')}
            </button>
            <button type="button" class="button quiet" onClick={() => setOpen(false)}>
              {d('cancel')}
            </button>
          </div>
        </form>
      )}
    </section>
  )
}
