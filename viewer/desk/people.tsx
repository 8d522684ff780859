import { useState } from 'preact/hooks'
import { get, post } from './api.ts'
import { Failure, Field, Head, Loaded, Warning } from './frame.tsx'
import type { DeskKey } from './texts.ts'
import { useAction, useDesk, useLoad } from './use-desk.ts'

type Person = {
  id: string
  account: string
  login: string
  name: string
  position: string
  department: string
  roles: string[]
  enabled: boolean
  hasSecondFactor: boolean
}

const roles = [
  'radiologist',
  'diagnostician',
  'consultant',
  'clinician',
  'radiographer',
  'dept_head',
  'consult_organizer',
  'head_of_mo',
  'mo_admin',
  'security_auditor',
] as const

/** «Сотрудники»: who signs in here, and who does not any more. */
export function PeopleSection() {
  const { d } = useDesk()
  const load = useLoad<{ users: Person[] }>((signal) => get('/api/accounts/users', signal))
  const [isAdding, setAdding] = useState(false)
  const [leaving, setLeaving] = useState<Person | undefined>(undefined)
  const [resetting, setResetting] = useState<Person | undefined>(undefined)
  const empty = { icon: 'user', title: 'peopleEmpty', text: 'peopleEmptyText' } as const
  const done = () => {
    setAdding(false)
    setLeaving(undefined)
    setResetting(undefined)
    load.reload()
  }
  return (
    <>
      <Head title={d('people')} hint={d('peopleHint')} load={load}>
        {!isAdding && (
          <button
            type="button"
            class="button primary"
            data-testid="person-new"
            onClick={() => setAdding(true)}
          >
            {d('peopleAdd')}
          </button>
        )}
      </Head>
      {isAdding && <NewPerson onDone={done} close={() => setAdding(false)} />}
      {leaving !== undefined && (
        <Dismissal
          key={leaving.account}
          person={leaving}
          onDone={done}
          close={() => setLeaving(undefined)}
        />
      )}
      {resetting !== undefined && (
        <FactorReset
          key={resetting.account}
          person={resetting}
          onDone={done}
          close={() => setResetting(undefined)}
        />
      )}
      <Loaded load={load} isEmpty={({ users }) => users.length === 0} empty={empty}>
        {({ users }) => (
          <People
            people={users}
            onLeave={setLeaving}
            onReset={setResetting}
            onChanged={load.reload}
          />
        )}
      </Loaded>
    </>
  )
}

type PeopleProps = {
  people: readonly Person[]
  onLeave: (person: Person) => void
  onReset: (person: Person) => void
  onChanged: () => void
}

function People({ people, onLeave, onReset, onChanged }: PeopleProps) {
  const { d, userId } = useDesk()
  return (
    <table class="desk-table">
      <thead>
        <tr>
          <th>{d('peopleName')}</th>
          <th>{d('columnRoles')}</th>
          <th>{d('peopleLogin')}</th>
          <th>{d('columnId')}</th>
          <th />
        </tr>
      </thead>
      <tbody>
        {people.map((person) => (
          <tr
            key={person.account}
            data-testid="person-row"
            class={person.enabled ? undefined : 'is-unlikely'}
          >
            <td>
              {person.name}
              <small>{[person.position, person.department].filter(Boolean).join(', ')}</small>
            </td>
            <td>
              {person.roles.map((role) => d(`role-${role}` as DeskKey)).join(', ')}
              <small class={person.enabled ? 'up' : 'down'}>
                <i class="dot" />
                {d(person.enabled ? 'personOn' : 'personOff')}
                {person.hasSecondFactor && `, ${d('personFactor')}`}
              </small>
            </td>
            <td>{person.login}</td>
            <td>
              <small class="uid">
                {person.id.slice(0, -person.account.length)}
                <br />
                {person.account}
              </small>
            </td>
            <td class="acts">
              {/* Nobody locks herself out. */}
              {person.enabled && person.id !== userId && (
                <button type="button" class="button small" onClick={() => onLeave(person)}>
                  {d('dismiss')}
                </button>
              )}
              {person.hasSecondFactor && person.id !== userId && (
                <button
                  type="button"
                  class="button small"
                  data-testid="factor-reset-open"
                  onClick={() => onReset(person)}
                >
                  {d('factorReset')}
                </button>
              )}
              {!person.enabled && <Readmit person={person} onChanged={onChanged} />}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function Readmit({ person, onChanged }: { person: Person; onChanged: () => void }) {
  const { d, notice } = useDesk()
  const action = useAction()
  const run = () =>
    action.run(async () => {
      await post(`/api/accounts/${person.account}/enable`)
      notice.value = { text: d('readmitted', { name: person.name }) }
      onChanged()
    })
  return (
    <>
      <button
        type="button"
        class="button small"
        disabled={action.isBusy}
        onClick={() => void run()}
      >
        {d('readmit')}
      </button>
      <Failure action={action} />
    </>
  )
}

type FormProps = { onDone: () => void; close: () => void }

/** What is done to one person on a document: its name and number first. */
function OnDocument({ texts, send, onDone, close }: DocumentProps) {
  const { d, notice } = useDesk()
  const action = useAction()
  const [basis, setBasis] = useState('')
  const run = () =>
    action.run(async () => {
      await send(basis)
      notice.value = { text: texts.done }
      onDone()
    })
  return (
    <form
      class="desk-card"
      data-testid={texts.form}
      onSubmit={(event) => {
        event.preventDefault()
        void run()
      }}
    >
      <h2>{texts.title}</h2>
      <Warning>{texts.warning}</Warning>
      <div class="desk-form">
        <Field label={texts.basis} isWide>
          <input
            class="text"
            name="basis"
            minLength={3}
            maxLength={120}
            required
            value={basis}
            onInput={({ currentTarget }) => setBasis(currentTarget.value)}
          />
        </Field>
      </div>
      <Failure action={action} />
      <div class="desk-acts">
        <button
          type="submit"
          class="button danger"
          data-testid={texts.button}
          disabled={basis.trim().length < 3 || action.isBusy}
        >
          {texts.act}
        </button>
        <button type="button" class="button quiet" onClick={close}>
          {d('cancel')}
        </button>
      </div>
    </form>
  )
}

type DocumentProps = FormProps & {
  texts: Record<'form' | 'button' | 'title' | 'warning' | 'basis' | 'act' | 'done', string>
  send: (basis: string) => Promise<unknown>
}

function Dismissal({ person, ...rest }: FormProps & { person: Person }) {
  const { d } = useDesk()
  const { name, account } = person
  const texts = {
    form: 'dismissal',
    button: 'dismiss',
    title: d('dismissTitle', { name }),
    warning: d('dismissText'),
    basis: d('dismissBasis'),
    act: d('dismiss'),
    done: d('dismissed', { name }),
  }
  const send = (basis: string) => post(`/api/accounts/${account}/dismissal`, { basis })
  return <OnDocument texts={texts} send={send} {...rest} />
}

/** Her telephone is lost, and the recovery codes, too. */
function FactorReset({ person, ...rest }: FormProps & { person: Person }) {
  const { d } = useDesk()
  const { name, account } = person
  const texts = {
    form: 'factor-reset-form',
    button: 'factor-reset',
    title: d('factorResetTitle', { name }),
    warning: d('factorResetText'),
    basis: d('factorResetBasis'),
    act: d('factorReset'),
    done: d('factorResetDone', { name }),
  }
  const send = (basis: string) => post(`/api/accounts/${account}/second-factor/reset`, { basis })
  return <OnDocument texts={texts} send={send} {...rest} />
}

/** Four groups of letters that nobody confuses when reading them aloud: 19 signs, 78 bits. */
function freshPassword(): string {
  const letters = 'abcdefghkmnpqrstuvwxyz23456789'
  const limit = 256 - (256 % letters.length)
  let text = ''
  while (text.length < 16) {
    const [byte = 255] = crypto.getRandomValues(new Uint8Array(1))
    if (byte < limit) text += letters[byte % letters.length]
  }
  return text.replaceAll(/(.{4})(?=.)/g, '$1-')
}

const nobody = { name: '', position: '', department: '', login: '', role: 'radiologist' }

function NewPerson({ onDone, close }: FormProps) {
  const { d, notice } = useDesk()
  const action = useAction()
  const [person, setPerson] = useState(nobody)
  const [password] = useState(freshPassword)
  const text = (name: 'name' | 'position' | 'department' | 'login', max: number) => (
    <input
      class="text"
      name={name}
      required
      maxLength={max}
      spellcheck={false}
      value={person[name]}
      onInput={({ currentTarget }) => setPerson({ ...person, [name]: currentTarget.value })}
    />
  )
  const add = () =>
    action.run(async () => {
      const { role, ...rest } = person
      await post('/api/accounts/users', { ...rest, password, roles: [role] })
      notice.value = { text: d('peopleAdded', { name: person.name, login: person.login }) }
      onDone()
    })
  return (
    <form
      class="desk-card"
      data-testid="person-form"
      onSubmit={(event) => {
        event.preventDefault()
        void add()
      }}
    >
      <h2>{d('peopleAdd')}</h2>
      <div class="desk-form">
        <Field label={d('peopleName')}>{text('name', 200)}</Field>
        <RoleField role={person.role} change={(role) => setPerson({ ...person, role })} />
        <Field label={d('peoplePosition')}>{text('position', 200)}</Field>
        <Field label={d('peopleDepartment')}>{text('department', 200)}</Field>
        <Field label={d('peopleLogin')} hint={d('peopleLoginHint')}>
          {text('login', 64)}
        </Field>
        <Field label={d('peoplePassword')} hint={d('peoplePasswordHint')}>
          <input class="text" name="password" readOnly value={password} />
        </Field>
      </div>
      <Failure action={action} />
      <div class="desk-acts">
        <button
          type="submit"
          class="button primary"
          data-testid="person-save"
          disabled={action.isBusy}
        >
          {d('peopleAdd')}
        </button>
        <button type="button" class="button quiet" onClick={close}>
          {d('cancel')}
        </button>
      </div>
    </form>
  )
}

function RoleField({ role, change }: { role: string; change: (role: string) => void }) {
  const { d } = useDesk()
  return (
    <Field label={d('peopleRole')}>
      <select
        class="text"
        name="role"
        value={role}
        onChange={({ currentTarget }) => change(currentTarget.value)}
      >
        {roles.map((one) => (
          <option key={one} value={one}>
            {d(`role-${one}`)}
          </option>
        ))}
      </select>
    </Field>
  )
}
