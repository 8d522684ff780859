import { useState } from 'preact/hooks'
import type { RefusalCode } from '#protocol/life-cycle.ts'
import { advanceRestriction, isInForce, needsTwo, type Restriction } from '#protocol/restriction.ts'
import {
  allNotices,
  get,
  type Organization,
  post,
  type RestrictionPreview,
  type Session,
  sideOf,
} from '../api.ts'
import { useLoad, useSession, useTexts } from '../desk.ts'
import { actorOf } from '../forms/offers.ts'
import { DecisionDialog, Input, Loading, Status } from '../parts/act.tsx'
import { Citos } from '../parts/cito.tsx'
import { Attachments, History, Notices } from '../parts/records.tsx'

const said = 'достаточно подробно'
const tried = [
  { type: 'impose' },
  { type: 'report_remedy', text: said },
  { type: 'verify', text: said },
  { type: 'reject_remedy', text: said },
  { type: 'lift' },
  { type: 'discard' },
] as const
type Step = (typeof tried)[number]['type']

/** What can be done with a restriction now, and what still stands against it. */
type Offered = { type: Step; refusal?: RefusalCode }

function stepsOf(restriction: Restriction, session: Session): Offered[] {
  return tried.flatMap((action): Offered[] => {
    const context = { actor: actorOf(session), now: 0, facts: null }
    const outcome = advanceRestriction(restriction, action, context)
    if (outcome.ok) return [{ type: action.type }]
    if (outcome.code === 'wrong_state' || outcome.code === 'wrong_actor') return []
    return [{ type: action.type, refusal: outcome.code }]
  })
}

/** One restriction, from the proposal to the day it is lifted. */
export function RestrictionPage({ id = '' }: { id?: string }) {
  const isOperator = sideOf(useSession()) === 'operator'
  const data = useLoad(async () => {
    const restriction = await get<Restriction>(`/api/restrictions/${id}`)
    const [preview, organization, notices] = await Promise.all([
      isOperator ? get<RestrictionPreview>(`/api/restrictions/${id}/preview`) : undefined,
      get<Organization>(`/api/organizations/${restriction.organization}`),
      allNotices(),
    ])
    const own = notices.filter(({ source }) => source === id)
    return { restriction, preview, name: organization.card.fullName, notices: own }
  }, [id])
  return <Loading of={data}>{(value) => <View {...value} onDone={data.reload} />}</Loading>
}

type Given = {
  restriction: Restriction
  /** Whom it touches: for the operator alone. */
  preview: RestrictionPreview | undefined
  name: string
  notices: Parameters<typeof Notices>[0]['notices']
  onDone: () => Promise<void>
}

function View({ restriction, preview, name, notices, onDone }: Given) {
  const texts = useTexts()
  const { t } = texts
  const { id, number, status, scope, level, clause, reason, remedy, start, organization } =
    restriction
  const facts: [string, string][] = [
    [t('scope'), t(`scope_${scope}`)],
    [t('level'), t(`level_${level}`)],
    [t('clause'), clause],
    [t('restrictionReason').replace(/ \(.*/, ''), reason],
    [t('remedy'), remedy],
    [t('start').replace(/ \(.*/, ''), texts.date(start)],
  ]
  const files = `/api/restrictions/${id}/attachments`
  const isOpen = ['imposed', 'remedy_reported'].includes(status)
  return (
    <div class="page form-page">
      <div class="page-head">
        <a href={`/organizations/${organization}`} class="button quiet">
          ← {name}
        </a>
        <h1>{t('restrictionTitle', { no: number })}</h1>
        <Status of={status}>{t(`restriction_${status}`)}</Status>
      </div>
      <div class="columns">
        <div class="stack">
          <article class="sheet">
            <dl>
              {facts.map(([label, value]) => (
                <div key={label} class="entry">
                  <dt>{label}</dt>
                  <dd>{value}</dd>
                </div>
              ))}
            </dl>
          </article>
          {status !== 'lifted' && preview !== undefined && <Preview preview={preview} />}
        </div>
        <aside class="side">
          <Steps restriction={restriction} preview={preview} onDone={onDone} />
          {scope !== 'proxy' && isInForce(restriction) && <Citos oid={organization} mayOpen />}
          <Attachments
            title={t('evidence')}
            attachments={restriction.evidence}
            path={files}
            as="evidence"
            canAttach={status !== 'lifted' && preview !== undefined}
            onDone={onDone}
          />
          <Attachments
            title={t('proof')}
            attachments={restriction.proof}
            path={files}
            as="proof"
            canAttach={isOpen}
            onDone={onDone}
          />
          <Notices notices={notices} onDone={onDone} />
          <History history={restriction.history} name={(action) => `restrictionDid_${action}`} />
        </aside>
      </div>
    </div>
  )
}

function Preview({ preview }: { preview: RestrictionPreview }) {
  const { t } = useTexts()
  const rows = [
    [preview.ownUsers, t('previewOwn')],
    [preview.theirUsers, t('previewTheirs')],
    [preview.given, t('previewGiven')],
    [preview.received, t('previewReceived')],
    [preview.devices, t('previewDevices')],
  ] as const
  return (
    <section class="card" data-testid="preview">
      <h3>{t('preview')}</h3>
      <ul class="figures">
        {rows.map(([n, text]) => (
          <li key={text}>
            <b>{n}</b> {text}
          </li>
        ))}
      </ul>
    </section>
  )
}

type StepsProps = {
  restriction: Restriction
  preview: RestrictionPreview | undefined
  onDone: () => Promise<void>
}

function Steps({ restriction, preview, onDone }: StepsProps) {
  const { t } = useTexts()
  const session = useSession()
  const [chosen, setChosen] = useState<Step | undefined>(undefined)
  const steps = stepsOf(restriction, session)
  const isProposed = restriction.status === 'proposed'
  return (
    <section class="card next">
      <h3>{t('nextStep')}</h3>
      {isProposed && needsTwo(restriction) && (
        <p class="notice warning">{t('twoPersons', { name: restriction.proposedBy.name })}</p>
      )}
      {steps.length === 0 && <p class="muted">{t('next_none')}</p>}
      <ul class="blocked">
        {steps.map(({ type, refusal }) =>
          refusal === undefined ? null : (
            <li key={type}>
              <b>
                {t('notYet')}: {t(`restrictionAct_${type}`).toLowerCase()}.
              </b>{' '}
              {t(`refusal_${refusal}`)}
            </li>
          ),
        )}
      </ul>
      <div class="actions">
        {steps.map(({ type, refusal }) => (
          <button
            key={type}
            type="button"
            data-testid={`act-${type}`}
            class={`button ${type === 'impose' ? 'danger' : ['lift', 'verify', 'report_remedy'].includes(type) ? 'primary' : ''}`}
            disabled={refusal !== undefined}
            onClick={() => setChosen(type)}
          >
            {t(`restrictionAct_${type}`)}
          </button>
        ))}
      </div>
      {chosen !== undefined && (
        <StepDialog
          id={restriction.id}
          type={chosen}
          preview={preview}
          onDone={onDone}
          onClose={() => setChosen(undefined)}
        />
      )}
    </section>
  )
}

type StepProps = {
  id: string
  type: Step
  preview: RestrictionPreview | undefined
  onDone: () => Promise<void>
  onClose: () => void
}

function StepDialog({ id, type, preview, onDone, onClose }: StepProps) {
  const { t } = useTexts()
  const [text, setText] = useState('')
  const asks = ['report_remedy', 'verify', 'reject_remedy'].includes(type)
  return (
    <DecisionDialog
      title={t(`restrictionAct_${type}`)}
      confirm={t(`restrictionAct_${type}`)}
      isDanger={type === 'impose'}
      onClose={onClose}
      onConfirm={async () => {
        await post(`/api/restrictions/${id}/actions`, { type, ...(asks && { text }) })
        await onDone()
      }}
    >
      {asks && (
        <Input
          name="note"
          isLong
          label={t('restrictionNote')}
          hint={t('restrictionNoteHint')}
          value={text}
          onInput={setText}
        />
      )}
      {type === 'impose' && (
        <>
          <p class="notice warning">{t('imposeText')}</p>
          {preview !== undefined && <Preview preview={preview} />}
        </>
      )}
      {type === 'lift' && <p class="notice">{t('liftText')}</p>}
    </DecisionDialog>
  )
}
