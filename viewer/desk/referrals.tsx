import { useState } from 'preact/hooks'
import { studyAddress } from '../list/study-table.tsx'
import { get, post } from './api.ts'
import { personText } from './fields.ts'
import { Choices, Failure, Head, Loaded } from './frame.tsx'
import { type Referral, ReferralForm } from './referral-form.tsx'
import { hasStudies } from './sections.ts'
import { useAction, useDesk, useLoad } from './use-desk.ts'

/** «Направления»: what devices find in their worklist. */
export function ReferralsSection() {
  const { d, notice } = useDesk()
  const [state, setState] = useState<'open' | 'closed'>('open')
  const [edited, setEdited] = useState<{ from?: Referral; isCopy: boolean } | undefined>(undefined)
  const load = useLoad<{ referrals: Referral[] }>(
    (signal) => get(`/api/referrals?state=${state}&limit=1000`, signal),
    state,
    30_000,
  )
  const empty =
    state === 'open'
      ? ({ icon: 'document', title: 'referralsEmpty', text: 'referralsEmptyText' } as const)
      : ({ icon: 'document', title: 'closedEmpty', text: 'closedEmptyText' } as const)
  const saved = ({ accessionNumber: n }: Referral) => {
    notice.value = { text: d('referralSaved', { n }) }
    setEdited(undefined)
    setState('open')
    load.reload()
  }
  return (
    <>
      <Head title={d('referrals')} hint={d('referralsHint')} load={load}>
        {edited === undefined && (
          <button
            type="button"
            class="button primary"
            data-testid="referral-new"
            onClick={() => setEdited({ isCopy: true })}
          >
            {d('referralNew')}
          </button>
        )}
      </Head>
      {edited !== undefined && (
        <ReferralForm
          key={edited.from?.id ?? ''}
          {...edited}
          onSaved={saved}
          close={() => setEdited(undefined)}
        />
      )}
      <Choices
        options={[
          ['open', d('referralsOpen')],
          ['closed', d('referralsClosed')],
        ]}
        value={state}
        change={setState}
      />
      <Loaded
        load={load}
        isEmpty={({ referrals }) => referrals.length === 0 && edited === undefined}
        empty={empty}
      >
        {({ referrals }) => (
          <ReferralTable
            // The newest is what somebody has just made or is looking for.
            referrals={referrals.toReversed()}
            edit={(from, isCopy) => setEdited({ from, isCopy })}
            onChanged={load.reload}
          />
        )}
      </Loaded>
    </>
  )
}

type TableProps = {
  referrals: readonly Referral[]
  edit: (referral: Referral, isCopy: boolean) => void
  onChanged: () => void
}

function ReferralTable({ referrals, edit, onChanged }: TableProps) {
  const { d, t } = useDesk()
  const [opened, setOpened] = useState('')
  if (referrals.length === 0) return null
  return (
    <table class="desk-table">
      <thead>
        <tr>
          <th>{d('columnNumber')}</th>
          <th>{t('columnPatient')}</th>
          <th>{d('procedure')}</th>
          <th>{d('columnSteps')}</th>
          <th>{d('columnState')}</th>
          <th />
        </tr>
      </thead>
      <tbody>
        {referrals.map((referral) => (
          <ReferralRow
            key={referral.id}
            referral={referral}
            isOpen={opened === referral.id}
            toggle={() => setOpened(opened === referral.id ? '' : referral.id)}
            edit={edit}
            onChanged={onChanged}
          />
        ))}
      </tbody>
    </table>
  )
}

type RowProps = Pick<TableProps, 'edit' | 'onChanged'> & {
  referral: Referral
  isOpen: boolean
  toggle: () => void
}

function ReferralRow({ referral, isOpen, toggle, edit, onChanged }: RowProps) {
  const { d, date, time } = useDesk()
  const { patient, urgency, procedure, steps, state, accessionNumber } = referral
  return (
    <>
      <tr data-testid="referral-row">
        <td class="number">
          {accessionNumber}
          {urgency !== 'planned' && <small class="caution">{d(`urgency-${urgency}`)}</small>}
        </td>
        <td>
          {personText(patient.name)}
          <small>{[patient.id, date(patient.birthDate)].filter(Boolean).join(' · ')}</small>
        </td>
        <td>{procedure.description || '—'}</td>
        <td>
          {steps.map((step) => (
            <small key={step.id} class="line">
              {step.modality} · {step.stationAe || d('stepAny')} · {date(step.startDate)}{' '}
              {time(step.startTime)}
            </small>
          ))}
        </td>
        <td class={`state-${state}`}>{d(`referral-${state}`)}</td>
        <td class="acts">
          <button
            type="button"
            class="button small"
            aria-expanded={isOpen}
            data-testid="referral-details"
            onClick={toggle}
          >
            {d('details')}
          </button>
        </td>
      </tr>
      {isOpen && (
        <tr class="is-detail">
          <td colSpan={6}>
            <Details referral={referral} edit={edit} onChanged={onChanged} />
          </td>
        </tr>
      )}
    </>
  )
}

type DetailsProps = Omit<RowProps, 'isOpen' | 'toggle'>

function Details(props: DetailsProps) {
  const { d } = useDesk()
  const { id, state, question, diagnosis, referringPhysician } = props.referral
  const performed = useLoad<{ performed: PerformedStep[] }>((signal) =>
    get(`/api/referrals/${id}/performed`, signal),
  )
  const said = [
    [d('physician'), personText(referringPhysician)],
    [d('diagnosis'), diagnosis],
    [d('question'), question],
  ].filter(([, value]) => value !== '')
  return (
    <div class="desk-stack">
      {said.map(([label, value]) => (
        <p key={label}>
          <span class="muted">{label}:</span> {value}
        </p>
      ))}
      <Loaded load={performed}>{({ performed }) => <PerformedList performed={performed} />}</Loaded>
      {state === 'in-progress' && <p class="muted">{d('referralUnderWay')}</p>}
      <Acts {...props} />
    </div>
  )
}

function Acts({ referral, edit, onChanged }: DetailsProps) {
  const { d, roles, notice } = useDesk()
  const action = useAction()
  const { id, state, study, accessionNumber } = referral
  const end = (how: 'cancel' | 'close', body?: object) =>
    void action.run(async () => {
      await post(`/api/referrals/${id}/${how}`, body)
      const said = how === 'cancel' ? 'referralCancelled' : 'referralClosed'
      notice.value = { text: d(said, { n: accessionNumber }) }
      onChanged()
    })
  const act = (name: string, label: string, run: () => void) => (
    <button
      key={name}
      type="button"
      class="button small"
      data-testid={`referral-${name}`}
      disabled={action.isBusy}
      onClick={run}
    >
      {label}
    </button>
  )
  return (
    <>
      <Failure action={action} />
      <div class="desk-acts">
        {state !== 'scheduled' && hasStudies(roles) && (
          <a class="button small" href={studyAddress(study)}>
            {d('linkedStudy')}
          </a>
        )}
        {state === 'in-progress' &&
          outcomes.map(([outcome, label]) =>
            act(outcome, d(label), () => end('close', { outcome })),
          )}
        {state === 'scheduled' ? (
          <>
            {act('edit', d('edit'), () => edit(referral, false))}
            {act('cancel', d('referralCancel'), () => end('cancel'))}
          </>
        ) : (
          act('again', d('referralAgain'), () => edit(referral, true))
        )}
      </div>
    </>
  )
}

const outcomes = [
  ['completed', 'referralComplete'],
  ['discontinued', 'referralDiscontinue'],
] as const

function PerformedList({ performed }: { performed: readonly PerformedStep[] }) {
  const { d } = useDesk()
  if (performed.length === 0) return <p class="muted">{d('performedNone')}</p>
  return (
    <div>
      <p class="muted">{d('performed')}</p>
      <ul>
        {performed.map(({ sop, device, state, instances }) => (
          <li key={sop}>
            {d('performedRow', {
              station: device,
              state: d(`referral-${state}`),
              n: instances,
            })}
          </li>
        ))}
      </ul>
    </div>
  )
}

type PerformedStep = {
  sop: string
  device: string
  state: 'in-progress' | 'completed' | 'discontinued'
  instances: number
}
