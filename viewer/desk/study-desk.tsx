import { useState } from 'preact/hooks'
import { Icon } from '../parts/icons.tsx'
import { studyAddress } from '../list/study-table.tsx'
import { type Findings, get, type Overlay, reject } from './api.ts'
import { distinctFindings, personText } from './fields.ts'
import { findingText } from './finding-text.ts'
import { Choices, Failure, Head, Loaded, useWhy, whyGiven, WhyFields } from './frame.tsx'
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
          <div class="desk-columns">
            <div class="desk-stack">
              {isAllowed(correctors, roles) && (
                <PatientForm
                  key={JSON.stringify(data.patient)}
                  findings={data}
                  overlays={overlays}
                  onSaved={reload}
                />
              )}
              {isAllowed(rejecters, roles) && <HideStudy study={study} onHidden={reload} />}
            </div>
            <div class="desk-stack">
              <FoundCard findings={data} />
              <section class="desk-card">
                <h2>{d('historyOfStudy')}</h2>
                {overlays.length === 0 ? (
                  <p class="muted">{d('historyOfStudyNone')}</p>
                ) : (
                  <OverlayRows overlays={overlays} onChanged={reload} isShort />
                )}
              </section>
            </div>
          </div>
        )}
      </Loaded>
    </>
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

function HideStudy({ study, onHidden }: { study: string; onHidden: () => void }) {
  const { d, notice } = useDesk()
  const action = useAction()
  const [isOpen, setOpen] = useState(false)
  const [code, setCode] = useState<(typeof codes)[number]>('113001')
  const [why, setWhy] = useWhy()
  const hide = () =>
    action.run(async () => {
      const undo = await reject(study, code, whyGiven(why))
      notice.value = { text: d('hidden'), undo, onUndone: onHidden }
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
