import { useState } from 'preact/hooks'
import { useApp } from '../parts/app-context.ts'
import { post } from './api.ts'
import { Failure, Field } from './frame.tsx'
import { useAction, useDesk } from './use-desk.ts'

type Person = { uid: string; pos: string; dep: string }
const nobody: Person = { uid: '', pos: '', dep: '' }

/** Form № 5 from the side of the organization that has the images: to whom, who by name, for how long. */
export function GrantForm({ close, onGiven }: { close: () => void; onGiven: () => void }) {
  const { d, notice } = useDesk()
  const action = useAction()
  const [grantee, setGrantee] = useState('')
  const [people, setPeople] = useState<readonly Person[]>([nobody])
  const [days, setDays] = useState('90')
  const [modalities, setModalities] = useState('')
  const isReady =
    grantee !== '' &&
    Number(days) >= 1 &&
    people.every(({ uid }) => uid.trim().startsWith(`${grantee}#`))
  const give = () =>
    action.run(async () => {
      const mod = modalities
        .toUpperCase()
        .split(/[\s,;]+/)
        .filter(Boolean)
      await post('/api/grants', {
        grantee,
        users: people.map(({ uid, pos, dep }) => ({ uid: uid.trim(), pos, dep, room: '' })),
        days: Number(days),
        ...(mod.length > 0 && { scope: { mod } }),
      })
      notice.value = { text: d('proposed') }
      onGiven()
    })
  const set = (at: number, part: Partial<Person>) =>
    setPeople(people.map((person, index) => (index === at ? { ...person, ...part } : person)))
  return (
    <form
      class="desk-card"
      data-testid="grant-form"
      onSubmit={(event) => {
        event.preventDefault()
        if (isReady) void give()
      }}
    >
      <h2>{d('propose')}</h2>
      <div class="desk-form">
        <GranteeInput grantee={grantee} change={setGrantee} />
        <TermInputs
          days={days}
          setDays={setDays}
          modalities={modalities}
          setModalities={setModalities}
        />
        {people.map((person, at) => (
          <PersonInputs key={at} at={at} person={person} change={(part) => set(at, part)} />
        ))}
      </div>
      <Failure action={action} />
      <div class="desk-acts">
        <button type="submit" class="button primary" disabled={!isReady || action.isBusy}>
          {d('propose')}
        </button>
        <button type="button" class="button" onClick={() => setPeople([...people, nobody])}>
          {d('personAdd')}
        </button>
        <button type="button" class="button quiet" onClick={close}>
          {d('cancel')}
        </button>
      </div>
    </form>
  )
}

function GranteeInput({ grantee, change }: { grantee: string; change: (oid: string) => void }) {
  const { d } = useDesk()
  const { region, session } = useApp()
  const own = typeof session.value === 'object' ? session.value.organization.oid : ''
  const others = region.value?.holders.filter(({ oid }) => oid !== own) ?? []
  return (
    <Field label={d('proposeTo')}>
      <select
        class="text"
        value={grantee}
        onChange={({ currentTarget }) => change(currentTarget.value)}
      >
        <option value="">{d('proposeChoose')}</option>
        {others.map(({ oid, name }) => (
          <option key={oid} value={oid}>
            {name}
          </option>
        ))}
      </select>
    </Field>
  )
}

type TermProps = {
  days: string
  setDays: (days: string) => void
  modalities: string
  setModalities: (modalities: string) => void
}

function TermInputs({ days, setDays, modalities, setModalities }: TermProps) {
  const { d } = useDesk()
  return (
    <>
      <Field label={d('grantDays')}>
        <input
          class="text"
          type="number"
          min={1}
          max={366}
          value={days}
          onInput={({ currentTarget }) => setDays(currentTarget.value)}
        />
      </Field>
      <Field label={d('grantModalities')} hint={d('grantModalitiesHint')}>
        <input
          class="text"
          value={modalities}
          onInput={({ currentTarget }) => setModalities(currentTarget.value)}
        />
      </Field>
    </>
  )
}

type PersonProps = { at: number; person: Person; change: (part: Partial<Person>) => void }

function PersonInputs({ at, person, change }: PersonProps) {
  const { d } = useDesk()
  const text = (name: keyof Person, max: number) => (
    <input
      class="text"
      maxLength={max}
      spellcheck={false}
      value={person[name]}
      onInput={({ currentTarget }) => change({ [name]: currentTarget.value })}
    />
  )
  return (
    <fieldset class="desk-steps wide">
      <legend>{d('person', { n: at + 1 })}</legend>
      <div class="desk-step">
        <Field label={d('personId')} hint={d('personIdHint')}>
          {text('uid', 100)}
        </Field>
        <Field label={d('personPosition')}>{text('pos', 200)}</Field>
        <Field label={d('personDepartment')}>{text('dep', 200)}</Field>
      </div>
    </fieldset>
  )
}
