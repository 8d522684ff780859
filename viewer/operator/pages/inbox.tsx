import { useLocation } from 'preact-iso'
import { useEffect, useRef, useState } from 'preact/hooks'
import { Icon } from '../../parts/icons.tsx'
import { Message } from '../../parts/message.tsx'
import { allForms, type Form, organizationNames, placeOf, type Session, sideOf } from '../api.ts'
import { useLoad, useSession, useTexts } from '../desk.ts'
import { organizationOf } from '../forms/content.ts'
import { turnOf, waitingDays } from '../forms/offers.ts'
import { Loading, Status } from '../parts/act.tsx'
import type { Key, Texts } from '../texts/texts.ts'

type Turns = 'ours' | 'theirs' | 'all'
type Filter = { turn: Turns; kind: string; status: string; organization: string }
const everything: Filter = { turn: 'ours', kind: '', status: '', organization: '' }

/** An organization has few forms and wants to see where each stands; the operator, what waits. */
const firstFilter = (session: Session): Filter =>
  sideOf(session) === 'organization' ? { ...everything, turn: 'all' } : everything

function emptyText({ turn, ...rest }: Filter, session: Session, count: number): Key {
  if (sideOf(session) === 'organization' && count === 0) return 'inboxEmptyOrganization'
  const isNarrow = Object.values(rest).some((value) => value !== '')
  return turn === 'ours' && !isNarrow ? 'inboxEmptyOurs' : 'inboxEmptyFilter'
}

/** How often an open list asks again while somebody is there. */
export const inboxMs = 15_000

/** Forms № 1, № 4 and № 5, what each needs next, and for how long it has waited. */
export function InboxPage() {
  const data = useLoad(
    async () => {
      const [forms, organizations] = await Promise.all([allForms(), organizationNames()])
      return { forms, names: new Map(organizations.map(({ oid, name }) => [oid, name])) }
    },
    [],
    inboxMs,
  )
  return (
    <Loading of={data}>
      {({ forms, names }) => <Inbox forms={forms} names={names} reload={data.reload} />}
    </Loading>
  )
}

type Given = { forms: Form[]; names: Map<string, string>; reload: () => Promise<void> }

function Inbox({ forms, names, reload }: Given) {
  const { t } = useTexts()
  const session = useSession()
  const [filter, setFilter] = useState(() => firstFilter(session))
  const set = (part: Partial<Filter>) => setFilter({ ...filter, ...part })
  const oidsOf = (form: Form) => [organizationOf(form).oid, form.content['granteeOrg']]
  const shown = forms
    .filter((form) => filter.turn === 'all' || turnOf(form, session) === filter.turn)
    .filter(({ kind }) => filter.kind === '' || kind === filter.kind)
    .filter(({ status }) => filter.status === '' || status === filter.status)
    .filter((form) => filter.organization === '' || oidsOf(form).includes(filter.organization))
    .sort((a, b) => (a.submittedAt ?? Infinity) - (b.submittedAt ?? Infinity))
  return (
    <div class="page">
      <Filters filter={filter} set={set} forms={forms} names={names} reload={reload} />
      {shown.length > 0 ? (
        <FormTable forms={shown} names={names} />
      ) : (
        <Message
          icon="inbox"
          title={t('inboxEmpty')}
          text={t(emptyText(filter, session, forms.length))}
        />
      )}
    </div>
  )
}

type FilterProps = Given & { filter: Filter; set: (part: Partial<Filter>) => void }

function Filters({ filter, set, forms, names, reload }: FilterProps) {
  const { t } = useTexts()
  const session = useSession()
  const states = [...new Set(forms.map(({ status }) => status))]
  return (
    <div class="filters">
      <div class="segments strong" role="group">
        {(['ours', 'theirs', 'all'] as const).map((turn) => (
          <button
            key={turn}
            type="button"
            aria-pressed={filter.turn === turn}
            onClick={() => set({ turn })}
          >
            {t(`filterTurn_${turn}`)}{' '}
            <b>{forms.filter((form) => turn === 'all' || turnOf(form, session) === turn).length}</b>
          </button>
        ))}
      </div>
      <Choice
        label={t('filterKind')}
        value={filter.kind}
        any={t('kind_any')}
        options={Object.keys(placeOf).map((kind) => [kind, t(`kind_${kind}` as Key)])}
        onChange={(kind) => set({ kind })}
      />
      <Choice
        label={t('filterState')}
        value={filter.status}
        any={t('anyState')}
        options={states.map((status) => [status, t(`status_${status}`)])}
        onChange={(status) => set({ status, turn: 'all' })}
      />
      {sideOf(session) === 'operator' && (
        <Choice
          label={t('filterOrganization')}
          value={filter.organization}
          any={t('anyOrganization')}
          options={[...names]}
          onChange={(organization) => set({ organization })}
        />
      )}
      <div class="filters-end">
        <button
          type="button"
          class="icon-button"
          title={t('reload')}
          aria-label={t('reload')}
          onClick={() => void reload()}
        >
          <Icon name="refresh" />
        </button>
        {newKinds(session).map((kind) => (
          <a
            key={kind}
            class="button"
            href={`/forms/new/${placeOf[kind]}`}
            data-testid={`new-${kind}`}
          >
            {t(sideOf(session) === 'operator' ? `new_${kind}` : `newOwn_${kind}`)}
          </a>
        ))}
      </div>
    </div>
  )
}

/** What somebody may begin: the operator types in any paper, an organization files № 4 and № 5 itself. */
function newKinds(session: Session): ('enrollment' | 'device_notice' | 'access_request')[] {
  if (sideOf(session) === 'operator') return ['enrollment', 'device_notice', 'access_request']
  const { roles } = session
  return [
    ...(roles.includes('mo_admin') ? (['device_notice'] as const) : []),
    ...(roles.some((role) => ['mo_admin', 'consult_organizer'].includes(role))
      ? (['access_request'] as const)
      : []),
  ]
}

type ChoiceProps = {
  label: string
  value: string
  any: string
  options: [string, string][]
  onChange: (value: string) => void
}

const Choice = ({ label, value, any, options, onChange }: ChoiceProps) => (
  <select
    class="select"
    aria-label={label}
    value={value}
    onChange={(event) => onChange(event.currentTarget.value)}
  >
    <option value="">{any}</option>
    {options.map(([key, text]) => (
      <option key={key} value={key}>
        {text}
      </option>
    ))}
  </select>
)

/** J and K go through the rows as in the list of studies; Enter opens, as the link that has the focus does anyway. */
function FormTable({ forms, names }: { forms: Form[]; names: Map<string, string> }) {
  const texts = useTexts()
  const { t } = texts
  const session = useSession()
  const { route } = useLocation()
  const body = useRef<HTMLTableSectionElement>(null)
  useEffect(() => {
    const move = (event: KeyboardEvent) => {
      const isTyping = /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement?.tagName ?? '')
      if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return
      const step = { KeyJ: 1, KeyK: -1, ArrowDown: 1, ArrowUp: -1 }[event.code]
      if (step === undefined) return
      const links = [...(body.current?.querySelectorAll('a') ?? [])]
      const at = links.indexOf(document.activeElement as HTMLAnchorElement)
      const next = at < 0 ? 0 : Math.min(Math.max(at + step, 0), links.length - 1)
      links[next]?.focus()
      event.preventDefault()
    }
    document.addEventListener('keydown', move)
    return () => document.removeEventListener('keydown', move)
  }, [])
  return (
    <div class="table-area">
      <table class="rows">
        <thead>
          <tr>
            {(['form', 'organization', 'state', 'next', 'age'] as const).map((name) => (
              <th key={name}>{t(`column_${name}`)}</th>
            ))}
          </tr>
        </thead>
        <tbody ref={body} data-testid="forms">
          {forms.map((form) => (
            <tr key={form.id} onClick={() => route(hrefOf(form))}>
              <td>
                <a href={hrefOf(form)}>{t(`kind_${form.kind}`)}</a>
                <small>
                  {form.number === undefined ? t('noNumber') : t('number', { no: form.number })}
                </small>
              </td>
              <td>
                <Organization form={form} names={names} />
              </td>
              <td>
                <Status of={form.status}>{t(`status_${form.status}`)}</Status>
              </td>
              <td>{nextText(form, texts, sideOf(session))}</td>
              <td>
                <Age form={form} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <p class="keys-hint">{t('keysHint')}</p>
    </div>
  )
}

export const hrefOf = ({ kind, id }: Pick<Form, 'kind' | 'id'>): string =>
  `/forms/${placeOf[kind]}/${id}`

function Organization({ form, names }: { form: Form; names: Map<string, string> }) {
  const { t } = useTexts()
  const { oid, name } = organizationOf(form)
  const grantee = form.content['granteeOrg']
  return (
    <>
      {(oid === undefined ? undefined : names.get(oid)) ?? name ?? t('noOrganization')}
      {typeof grantee === 'string' && <small>→ {names.get(grantee) ?? grantee}</small>}
    </>
  )
}

const told = {
  operator: [
    'draft',
    'submitted',
    'under_review',
    'needs_correction',
    'approved',
    'provisioned',
    'registered',
    'paused',
  ],
  organization: [
    'draft',
    'submitted',
    'under_review',
    'needs_correction',
    'approved',
    'provisioned',
    'registered',
    'refused',
  ],
} as const

export function nextText(
  form: Form,
  { t }: Pick<Texts, 't'>,
  side: 'operator' | 'organization' | 'none',
): string {
  const { status } = form
  const prefix = side === 'organization' ? 'ownNext' : 'next'
  const isKnown = (told[side === 'organization' ? side : 'operator'] as readonly string[]).includes(
    status,
  )
  const own = status === 'approved' && form.kind === 'enrollment' ? 'provisioned' : status
  const text = t(isKnown ? (`${prefix}_${prefix === 'next' ? status : own}` as Key) : 'next_none')
  if (form.kind !== 'access_request' || !['under_review', 'approved'].includes(status)) return text
  const waiting = form.rows.filter(({ state }) => state === 'pending').length
  return waiting === 0 ? text : `${text}; ${t('rowsWaiting', { n: waiting })}`
}

export function Age({ form }: { form: Form }) {
  const { t } = useTexts()
  const { reviewDays } = useSession()
  const days = waitingDays(form, Date.now())
  if (days === undefined) return null
  const isLate = days > reviewDays
  return (
    <span class={isLate ? 'late' : 'muted'}>
      {isLate ? t('ageLate', { n: days }) : t('ageOf', { n: days, max: reviewDays })}
    </span>
  )
}
