import { useState } from 'preact/hooks'
import { dicomDateOf } from '../i18n/i18n.ts'
import { post, put } from './api.ts'
import { dicomDateFrom, isoDateOf, nameWith, partsOf } from './fields.ts'
import { Failure, Field } from './frame.tsx'
import { useAction, useDesk } from './use-desk.ts'

type Urgency = 'emergency' | 'urgent' | 'planned'
type StepState = 'scheduled' | 'in-progress' | 'completed' | 'discontinued'

export type Referral = {
  id: string
  accessionNumber: string
  study: string
  state: StepState | 'cancelled'
  patient: { id: string; issuer: string; name: string; birthDate: string; sex: string }
  urgency: Urgency
  procedure: { id: string; description: string }
  referringPhysician: string
  diagnosis: string
  question: string
  steps: {
    id: string
    modality: string
    stationAe: string
    stationName: string
    startDate: string
    startTime: string
    description: string
    performer: string
    state: StepState
  }[]
}

/** What the form holds, in the form's own spelling of dates and names. */
type Draft = {
  accessionNumber: string
  surname: string
  given: string
  patronymic: string
  patientId: string
  birthDate: string
  sex: string
  urgency: Urgency
  procedure: string
  physician: string
  diagnosis: string
  question: string
  steps: StepDraft[]
}
type StepDraft = { modality: string; station: string; date: string; time: string }

const newStep = (): StepDraft => ({
  modality: 'DX',
  station: '',
  date: isoDateOf(dicomDateOf(Date.now())),
  time: new Date().toTimeString().slice(0, 5),
})

function draftOf(from: Referral | undefined, isCopy: boolean): Draft {
  return {
    ...partsOf(from?.patient.name ?? ''),
    accessionNumber: isCopy ? '' : (from?.accessionNumber ?? ''),
    patientId: from?.patient.id ?? '',
    birthDate: isoDateOf(from?.patient.birthDate ?? ''),
    sex: from?.patient.sex ?? '',
    urgency: from?.urgency ?? 'planned',
    procedure: from?.procedure.description ?? '',
    physician: from?.referringPhysician.replaceAll('^', ' ') ?? '',
    diagnosis: from?.diagnosis ?? '',
    question: from?.question ?? '',
    steps: from?.steps.map((step) => ({
      modality: step.modality,
      station: step.stationAe,
      date: isoDateOf(step.startDate),
      time: `${step.startTime.slice(0, 2)}:${step.startTime.slice(2, 4)}`,
    })) ?? [newStep()],
  }
}

/** What the form does not show stays as it was. */
function bodyOf(draft: Draft, from: Referral | undefined) {
  const { accessionNumber, patientId: id, sex, urgency, question } = draft
  return {
    ...(accessionNumber.trim() !== '' && { accessionNumber: accessionNumber.trim() }),
    patient: {
      id: id.trim(),
      issuer: from?.patient.issuer ?? '',
      name: nameWith(from?.patient.name ?? '', draft),
      birthDate: dicomDateFrom(draft.birthDate),
      sex,
    },
    urgency,
    procedure: { id: from?.procedure.id ?? '', description: draft.procedure.trim() },
    referringPhysician: draft.physician.trim().replaceAll(/\s+/g, '^'),
    diagnosis: draft.diagnosis.trim().toUpperCase(),
    question: question.trim().replaceAll(/\s+/g, ' '),
    steps: draft.steps.map(({ modality, station, date, time }, index) => {
      const { stationName = '', performer = '' } = from?.steps[index] ?? {}
      return {
        id: String(index + 1),
        modality: modality.trim().toUpperCase(),
        stationAe: station.trim(),
        stationName,
        startDate: dicomDateFrom(date),
        startTime: `${time.replace(':', '')}00`,
        description: draft.procedure.trim(),
        performer,
      }
    }),
  }
}

type Props = {
  from?: Referral
  isCopy: boolean
  onSaved: (referral: Referral) => void
  close: () => void
}

export function ReferralForm({ from, isCopy, onSaved, close }: Props) {
  const { d } = useDesk()
  const action = useAction()
  const [draft, setDraft] = useState(() => draftOf(from, isCopy))
  const change = (part: Partial<Draft>) => setDraft({ ...draft, ...part })
  const isReady =
    draft.surname.trim() !== '' &&
    draft.patientId.trim() !== '' &&
    draft.steps.every(({ modality, date, time }) => modality !== '' && date !== '' && time !== '')
  const save = () =>
    action.run(async () => {
      const body = bodyOf(draft, from)
      onSaved(
        from === undefined || isCopy
          ? await post<Referral>('/api/referrals', body)
          : await put<Referral>(`/api/referrals/${from.id}`, body),
      )
    })
  return (
    <form
      class="desk-card"
      data-testid="referral-form"
      onSubmit={(event) => {
        event.preventDefault()
        if (isReady) void save()
      }}
    >
      <h2>
        {from === undefined || isCopy
          ? d('referralNew')
          : d('referralChange', { n: from.accessionNumber })}
      </h2>
      <div class="desk-form">
        <PatientInputs draft={draft} change={change} />
        <OrderInputs draft={draft} change={change} />
        <Steps steps={draft.steps} change={(steps) => change({ steps })} />
      </div>
      <Failure action={action} />
      <div class="desk-acts">
        <button
          type="submit"
          class="button primary"
          data-testid="referral-save"
          disabled={!isReady || action.isBusy}
        >
          {d(action.isBusy ? 'saving' : 'save')}
        </button>
        <button type="button" class="button quiet" onClick={close}>
          {d('cancel')}
        </button>
      </div>
    </form>
  )
}

type InputsProps = { draft: Draft; change: (part: Partial<Draft>) => void }
type TextName = Exclude<keyof Draft, 'steps' | 'urgency'>

const textInput = ({ draft, change }: InputsProps, name: TextName, max = 64) => (
  <input
    class="text"
    data-testid={`referral-${name}`}
    maxLength={max}
    autocomplete="off"
    spellcheck={false}
    value={draft[name]}
    onInput={({ currentTarget }) => change({ [name]: currentTarget.value })}
  />
)

function PatientInputs(props: InputsProps) {
  const { d } = useDesk()
  const { draft, change } = props
  return (
    <>
      <Field label={d('surname')}>{textInput(props, 'surname', 30)}</Field>
      <Field label={d('given')}>{textInput(props, 'given', 20)}</Field>
      <Field label={d('patronymic')}>{textInput(props, 'patronymic', 20)}</Field>
      <Field label={d('patientNumber')}>{textInput(props, 'patientId')}</Field>
      <Field label={d('birth')}>
        <input
          class="text"
          type="date"
          value={draft.birthDate}
          onInput={({ currentTarget }) => change({ birthDate: currentTarget.value })}
        />
      </Field>
      <Field label={d('sex')}>
        <select
          class="text"
          value={draft.sex}
          onChange={({ currentTarget }) => change({ sex: currentTarget.value })}
        >
          <option value="">{d('noValue')}</option>
          <option value="M">{d('sexM')}</option>
          <option value="F">{d('sexF')}</option>
          <option value="O">{d('sexO')}</option>
        </select>
      </Field>
    </>
  )
}

const urgencies = ['planned', 'urgent', 'emergency'] as const

function OrderInputs(props: InputsProps) {
  const { d } = useDesk()
  const { draft, change } = props
  return (
    <>
      <Field label={d('accessionNumber')} hint={d('accessionHint')}>
        {textInput(props, 'accessionNumber', 16)}
      </Field>
      <Field label={d('procedure')}>{textInput(props, 'procedure')}</Field>
      <Field label={d('urgency')}>
        <select
          class="text"
          value={draft.urgency}
          onChange={({ currentTarget: { value } }) => {
            const urgency = urgencies.find((one) => one === value)
            if (urgency !== undefined) change({ urgency })
          }}
        >
          {urgencies.map((one) => (
            <option key={one} value={one}>
              {d(`urgency-${one}`)}
            </option>
          ))}
        </select>
      </Field>
      <Field label={d('physician')}>{textInput(props, 'physician')}</Field>
      <Field label={d('diagnosis')}>{textInput(props, 'diagnosis', 6)}</Field>
      <Field label={d('question')}>{textInput(props, 'question', 1024)}</Field>
    </>
  )
}

type StepsProps = { steps: readonly StepDraft[]; change: (steps: StepDraft[]) => void }

const modalities = ['DX', 'CR', 'CT', 'MR', 'MG', 'US', 'RF', 'XA', 'PX', 'IO', 'NM', 'PT', 'ES']

function Steps({ steps, change }: StepsProps) {
  const { d } = useDesk()
  const set = (at: number, part: Partial<StepDraft>) =>
    change(steps.map((step, index) => (index === at ? { ...step, ...part } : step)))
  return (
    <fieldset class="desk-steps wide">
      <legend>{d('steps')}</legend>
      {steps.map((step, at) => (
        <div key={at} class="desk-step">
          <Field label={d('stepModality')}>
            <select
              class="text"
              value={step.modality}
              onChange={({ currentTarget }) => set(at, { modality: currentTarget.value })}
            >
              {[...new Set([...modalities, step.modality])].map((name) => (
                <option key={name} value={name}>
                  {name}
                </option>
              ))}
            </select>
          </Field>
          <Field label={d('stepStation')}>
            <input
              class="text"
              maxLength={16}
              placeholder={d('stepAny')}
              value={step.station}
              onInput={({ currentTarget }) => set(at, { station: currentTarget.value })}
            />
          </Field>
          <Field label={d('stepDate')}>
            <input
              class="text"
              type="date"
              required
              value={step.date}
              onInput={({ currentTarget }) => set(at, { date: currentTarget.value })}
            />
          </Field>
          <Field label={d('stepTime')}>
            <input
              class="text"
              type="time"
              required
              value={step.time}
              onInput={({ currentTarget }) => set(at, { time: currentTarget.value.slice(0, 5) })}
            />
          </Field>
          {steps.length > 1 && (
            <button
              type="button"
              class="button small"
              onClick={() => change(steps.filter((_, index) => index !== at))}
            >
              {d('stepRemove')}
            </button>
          )}
        </div>
      ))}
      <button type="button" class="button small" onClick={() => change([...steps, newStep()])}>
        {d('stepAdd')}
      </button>
    </fieldset>
  )
}
