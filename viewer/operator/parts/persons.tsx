import { useState } from 'preact/hooks'
import { dayOf, printDate } from '#protocol/fields/dates.ts'
import { printName } from '#protocol/fields/full-name.ts'
import { printPhone } from '#protocol/fields/phone.ts'
import {
  type AccountView,
  type Activation,
  type Organization,
  type Person,
  post,
  remove,
} from '../api.ts'
import { useTexts } from '../desk.ts'
import type { Key } from '../texts/texts.ts'
import { DecisionDialog, Failure, Input, Select, useAct } from './act.tsx'
import { Links } from './links.tsx'

type Given = {
  organization: Organization
  accounts: AccountView[]
  onDone: () => Promise<void>
}

/** Who answers for what at an organization (order, point 3.1), from the appointment to the last day. */
export function Persons({ organization, accounts, onDone }: Given) {
  const { t } = useTexts()
  const act = useAct()
  const [links, setLinks] = useState<Activation[]>([])
  const [isAdding, setAdding] = useState(false)
  const [leaving, setLeaving] = useState<Person | undefined>(undefined)
  const { persons, oid } = organization.card
  const invite = (id: string, name: string) =>
    act.run(async () => {
      const link = await post<Activation>(`/api/accounts/${id}/activation`)
      setLinks([{ ...link, name }])
    })
  return (
    <section class="card" data-testid="persons">
      <h3>{t('persons')}</h3>
      {persons.length === 0 && <p class="muted">{t('personsEmpty')}</p>}
      {links.length > 0 && <Links links={links} onClose={() => setLinks([])} />}
      <ul class="plain">
        {persons.map((person) => {
          const name = printName(person.fullName)
          const account = accounts.find((one) => printName(one.name) === name)
          return (
            <li key={person.id}>
              <PersonLines person={person} />
              {person.to === undefined && (
                <span class="actions">
                  {account !== undefined && (
                    <button
                      type="button"
                      class="button small"
                      disabled={act.isBusy}
                      onClick={() => void invite(account.id, name)}
                    >
                      {t('newLink')}
                    </button>
                  )}
                  <button
                    type="button"
                    class="button small danger-quiet"
                    onClick={() => setLeaving(person)}
                  >
                    {t('personDismiss')}
                  </button>
                </span>
              )}
            </li>
          )
        })}
      </ul>
      <Failure error={act.error} />
      <button
        type="button"
        class="button small"
        data-testid="person-add"
        onClick={() => setAdding(true)}
      >
        {t('personAdd')}
      </button>
      {isAdding && <Appoint oid={oid} onDone={onDone} onClose={() => setAdding(false)} />}
      {leaving !== undefined && (
        <Dismiss oid={oid} person={leaving} onDone={onDone} onClose={() => setLeaving(undefined)} />
      )}
    </section>
  )
}

type DismissProps = AppointProps & { person: Person }

function Dismiss({ oid, person, onDone, onClose }: DismissProps) {
  const { t } = useTexts()
  return (
    <DecisionDialog
      title={`${t('personDismiss')}: ${printName(person.fullName)}`}
      confirm={t('personDismiss')}
      isDanger
      onClose={onClose}
      onConfirm={async () => {
        await remove(`/api/organizations/${oid}/persons/${person.id}`)
        await onDone()
      }}
    >
      <section class="preview" data-testid="preview">
        <h3>{t('consequences')}</h3>
        <p>{t('personDismissText')}</p>
      </section>
    </DecisionDialog>
  )
}

function PersonLines({ person }: { person: Person }) {
  const texts = useTexts()
  const { t } = texts
  const { kind, fullName, snils, position, phone, email, to } = person
  return (
    <>
      <b>{printName(fullName)}</b> · {t(`person_${kind}` as Key)}
      {to !== undefined && ` · ${t('personUntil', { date: texts.date(to) })}`}
      <small>
        {position} · {printPhone(phone)} · {email}
        {snils !== undefined && ` · ${t('snils')} ${snils}`}
      </small>
    </>
  )
}

const kinds = ['technical', 'mo_admin', 'consult_organizer', 'consult_performer'] as const
const nobody = { kind: 'technical', fullName: '', position: '', phone: '', email: '', basis: '' }

type AppointProps = { oid: string; onDone: () => Promise<void>; onClose: () => void }

function Appoint({ oid, onDone, onClose }: AppointProps) {
  const { t } = useTexts()
  const [person, setPerson] = useState({ ...nobody, from: printDate(dayOf(Date.now())) })
  const set = (name: keyof typeof person) => (value: string) =>
    setPerson({ ...person, [name]: value })
  return (
    <DecisionDialog
      title={t('personAdd')}
      confirm={t('save')}
      onClose={onClose}
      onConfirm={async () => {
        await post(`/api/organizations/${oid}/persons`, person)
        await onDone()
      }}
    >
      <Select
        name="kind"
        label={t('personKind')}
        value={person.kind}
        options={Object.fromEntries(kinds.map((kind) => [kind, t(`person_${kind}`)]))}
        onInput={set('kind')}
      />
      <div class="pair">
        <Input
          name="fullName"
          label={t('personName')}
          value={person.fullName}
          onInput={set('fullName')}
        />
        <Input
          name="position"
          label={t('column_position')}
          value={person.position}
          onInput={set('position')}
        />
        <Input name="phone" label={t('personPhone')} value={person.phone} onInput={set('phone')} />
        <Input name="email" label={t('personEmail')} value={person.email} onInput={set('email')} />
        <Input name="basis" label={t('personBasis')} value={person.basis} onInput={set('basis')} />
        <Input name="from" label={t('start')} value={person.from} onInput={set('from')} />
      </div>
    </DecisionDialog>
  )
}
