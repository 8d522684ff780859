import { useState } from 'preact/hooks'
import { get } from './api.ts'
import { Choices, Head, Loaded } from './frame.tsx'
import { useOrganizationName } from './organization-name.ts'
import { type DeskKey, texts } from './texts.ts'
import { useDesk, useLoad } from './use-desk.ts'

type Mismatch = {
  kind: string
  side: 'holder' | 'grantee'
  req: string
  study: string
  user: string
}
type Day = {
  day: string
  organization: string
  at: number
  state: 'agreed' | 'mismatch' | 'unanswered'
  served: number
  fetched: number
  mismatched: number
  mismatches: Mismatch[]
}

const filters = ['mismatch', 'unanswered', 'all'] as const
type Filter = (typeof filters)[number]
const empties = {
  mismatch: { icon: 'document', title: 'reconciliationFine', text: 'reconciliationFineText' },
  unanswered: {
    icon: 'document',
    title: 'reconciliationAnswered',
    text: 'reconciliationFineText',
  },
  all: { icon: 'inbox', title: 'reconciliationEmpty', text: 'reconciliationEmptyText' },
} as const
const pageSize = 100
const rowsMax = 1000

/** «Сверка журналов»: where our account of a day and another organization's differ, and what to do about it. */
export function ReconciliationSection() {
  const { d } = useDesk()
  // What needs somebody comes first; days that agree are many.
  const [filter, setFilter] = useState<Filter>('mismatch')
  const [limit, setLimit] = useState(pageSize)
  const query = `limit=${limit}${filter === 'all' ? '' : `&state=${filter}`}`
  const load = useLoad<{ days: Day[] }>(
    (signal) => get(`/api/reconciliation?${query}`, signal),
    query,
  )
  return (
    <>
      <Head title={d('reconciliation')} hint={d('reconciliationHint')} load={load} />
      <Choices
        options={filters.map((one) => [one, d(`reconciled-only-${one}`)])}
        value={filter}
        change={setFilter}
      />
      <Loaded load={load} isEmpty={({ days }) => days.length === 0} empty={empties[filter]}>
        {({ days }) => (
          <>
            <Days days={days} />
            {days.length === limit && limit < rowsMax && (
              <button
                type="button"
                class="button"
                onClick={() => setLimit(Math.min(rowsMax, limit + pageSize))}
              >
                {d('showMore')}
              </button>
            )}
          </>
        )}
      </Loaded>
    </>
  )
}

function Days({ days }: { days: readonly Day[] }) {
  const { d } = useDesk()
  return (
    <table class="desk-table">
      <thead>
        <tr>
          <th>{d('columnDay')}</th>
          <th>{d('columnOrganization')}</th>
          <th>{d('columnResult')}</th>
          <th class="right">{d('columnServed')}</th>
          <th class="right">{d('columnFetched')}</th>
        </tr>
      </thead>
      <tbody>
        {days.map((day) => (
          <DayRows key={`${day.day} ${day.organization}`} day={day} />
        ))}
      </tbody>
    </table>
  )
}

const tones = { agreed: 'up', mismatch: 'down', unanswered: 'down' } as const

function DayRows({ day }: { day: Day }) {
  const { d, date, moment } = useDesk()
  const nameOf = useOrganizationName()
  const { state, served, fetched } = day
  return (
    <>
      <tr data-testid="reconciled-row">
        <td class="number">
          {date(day.day.replaceAll('-', ''))}
          <small>{d('reconciledAt', { at: moment(day.at) })}</small>
        </td>
        <td>{nameOf(day.organization)}</td>
        <td>
          <span class={tones[state]}>
            <i class="dot" />
            {d(`reconciled-${state}`)}
          </span>
          {state === 'mismatch' && <small>{d('differences', { n: day.mismatched })}</small>}
        </td>
        <td class="number right">{served}</td>
        <td class="number right">{fetched}</td>
      </tr>
      {state !== 'agreed' && (
        <tr class="is-detail">
          <td colSpan={5}>
            {state === 'unanswered' ? (
              <p>{d(served + fetched > 0 ? 'unansweredText' : 'unansweredIdle')}</p>
            ) : (
              <Mismatches day={day} />
            )}
          </td>
        </tr>
      )}
    </>
  )
}

/** Grouped by what they are: the same thing is to be done about each of a group. */
function Mismatches({ day: { mismatches, mismatched } }: { day: Day }) {
  const { d } = useDesk()
  const groups = Map.groupBy(mismatches, ({ kind, side }) => suffixOf(kind, side))
  return (
    <>
      <ul class="desk-findings">
        {[...groups].map(([suffix, group]) => (
          <li key={suffix} class={urgent.test(suffix) ? 'correct' : 'warn'}>
            <Sentences suffix={suffix} />
            {group.map((one) => (
              <Access key={`${one.side} ${one.req}`} access={one} />
            ))}
          </li>
        ))}
      </ul>
      {mismatched > mismatches.length && (
        <p class="muted">{d('differencesMore', { n: mismatches.length, m: mismatched })}</p>
      )}
    </>
  )
}

function Sentences({ suffix }: { suffix: string }) {
  const { d } = useDesk()
  const [what, advice] = [`differs-${suffix}`, `advice-${suffix}`]
  return (
    <>
      <p>
        <strong>{isKey(what) ? d(what) : suffix}</strong>
      </p>
      {isKey(advice) && (
        <p>
          <em>{d('todo')}</em> {d(advice)}
        </p>
      )}
    </>
  )
}

/** What somebody else did with a key, or what somebody hides. */
const urgent = /^(not-|another-|receipt)/

function Access({ access: { side, req, study, user } }: { access: Mismatch }) {
  const { d } = useDesk()
  return (
    <small class="uid" data-testid="mismatch">
      {d('differenceAccess', { id: req })} · {d(side === 'holder' ? 'sideHolder' : 'sideGrantee')}{' '}
      {study} · {user}
    </small>
  )
}

/** What it means depends on whose study it was, for two of them. */
function suffixOf(kind: string, side: Mismatch['side']): string {
  const own = `${kind}-${side}`
  return isKey(`differs-${own}`) ? own : kind
}

const isKey = (key: string): key is DeskKey => Object.hasOwn(texts, key)
