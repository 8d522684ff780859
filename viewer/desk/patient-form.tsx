import { useState } from 'preact/hooks'
import { correct, type Findings, type Overlay } from './api.ts'
import { changesOf, fieldsOf, isProvisional, type PatientFields, personText } from './fields.ts'
import { Failure, Field, useWhy, whyGiven, WhyFields } from './frame.tsx'
import { useAction, useDesk } from './use-desk.ts'

type Props = { findings: Findings; overlays: readonly Overlay[]; onSaved: () => void }

/** The patient as the study names her. Enter saves; what a device sent stays beside what is shown. */
export function PatientForm({ findings, overlays, onSaved }: Props) {
  const { d, notice } = useDesk()
  const { study, patient } = findings
  const [fields, setFields] = useState<PatientFields>(() => fieldsOf(patient))
  const [why, setWhy] = useWhy()
  const action = useAction()
  const changes = changesOf(patient, fields)
  const save = () =>
    action.run(async () => {
      const undo = await correct(study, changes, whyGiven(why))
      notice.value = { text: d('corrected'), undo, onUndone: onSaved }
      onSaved()
    })
  const isReady = changes.length > 0 && why.reason.trim() !== ''
  return (
    <form
      class="desk-card"
      data-testid="patient-form"
      onSubmit={(event) => {
        event.preventDefault()
        if (isReady) void save()
      }}
    >
      <h2>{d('patientData')}</h2>
      <div class="desk-form">
        <PatientInputs
          fields={fields}
          change={(part) => setFields({ ...fields, ...part })}
          originals={originalsOf(overlays)}
        />
        <WhyFields
          why={why}
          change={setWhy}
          usual={['whyTypo', 'whyDocument', 'whyReferral', 'whyWrongPatient']}
        />
      </div>
      <Failure action={action} />
      <div class="desk-acts">
        <button
          type="submit"
          class="button primary"
          data-testid="save"
          disabled={!isReady || action.isBusy}
        >
          {d(action.isBusy ? 'saving' : 'save')}
        </button>
        {!isReady && <span class="muted">{d('notChanged')}</span>}
      </div>
    </form>
  )
}

/** What devices sent, where something else is shown now: the oldest correction that still holds knows it. */
function originalsOf(overlays: readonly Overlay[]): Map<string, string> {
  const originals = new Map<string, string>()
  for (const { content, revertedBy } of overlays) {
    if (revertedBy !== undefined) continue
    for (const { tag, old } of content?.attributes ?? []) originals.set(tag, old[0] ?? '')
  }
  return originals
}

type InputsProps = {
  fields: PatientFields
  change: (part: Partial<PatientFields>) => void
  originals: Map<string, string>
}

function PatientInputs({ fields, change, originals }: InputsProps) {
  const { d, date } = useDesk()
  const was = (tag: string, shown: (value: string) => string = String) => {
    const value = originals.get(tag)
    if (value === undefined) return {}
    return { hint: d('wasReceived', { value: shown(value) || d('empty') }) }
  }
  const text = (name: 'surname' | 'given' | 'patronymic' | 'id', max: number) => (
    <input
      class="text"
      data-testid={`field-${name}`}
      maxLength={max}
      spellcheck={false}
      autocomplete="off"
      value={fields[name]}
      onInput={({ currentTarget }) => change({ [name]: currentTarget.value })}
    />
  )
  return (
    <>
      <Field label={d('surname')} {...was('00100010', personText)}>
        {text('surname', 60)}
      </Field>
      <Field label={d('given')}>{text('given', 60)}</Field>
      <Field label={d('patronymic')}>{text('patronymic', 60)}</Field>
      <Field
        label={d('patientNumber')}
        {...(isProvisional(fields.id) ? { hint: d('provisionalId') } : was('00100020'))}
      >
        {text('id', 64)}
      </Field>
      <Field label={d('birth')} {...was('00100030', date)}>
        <input
          class="text"
          type="date"
          value={fields.birthDate}
          onInput={({ currentTarget }) => change({ birthDate: currentTarget.value })}
        />
      </Field>
      <Field label={d('sex')} {...was('00100040')}>
        <select
          class="text"
          value={fields.sex}
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
