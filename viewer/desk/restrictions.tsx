import type { RestrictionRecord } from '#protocol/restriction.ts'
import { get } from './api.ts'
import { Failure } from './frame.tsx'
import { useOrganizationName } from './organization-name.ts'
import { useDesk, useLoad } from './use-desk.ts'

type Left = { organization: string; study: string; until: number }
type Answer = { restrictions: RestrictionRecord[]; left: Left[] }

const everyMs = 30_000

/** What the operator has limited here or left open; nothing at all where there is neither. */
export function RestrictionCards() {
  const { d } = useDesk()
  const load = useLoad<Answer>((signal) => get('/api/restrictions', signal), '', everyMs)
  const { restrictions = [], left = [] } = load.data ?? {}
  return (
    <>
      <Failure action={load} />
      {restrictions.map((one) => (
        <Restriction key={one.number} one={one} />
      ))}
      {left.length > 0 && (
        <section class="desk-card" data-testid="cito-left">
          <h2>{d('citoLeft')}</h2>
          <p class="muted">{d('citoLeftText')}</p>
          <LeftOpen studies={left} />
        </section>
      )}
    </>
  )
}

function Restriction({ one }: { one: RestrictionRecord }) {
  const { d, date } = useDesk()
  const { number, scope, level, clause, reason, remedy, start, cito = [] } = one
  return (
    <section class="desk-card" data-testid="restriction">
      <h2>{d('restrictionTitle', { n: number, date: date(start.replaceAll('-', '')) })}</h2>
      <p>
        {d(`restricted-${scope}`)}
        {scope !== 'cami' && <>: {d(`restricted-${level}`)}</>}.{' '}
        {d('restrictionWhy', { clause, reason })}
      </p>
      <p>{d('restrictionRemedy', { remedy })}</p>
      {cito.length > 0 && (
        <>
          <p>
            <strong>{d('citoOwn')}</strong>
          </p>
          <LeftOpen studies={cito} />
        </>
      )}
    </section>
  )
}

function LeftOpen({
  studies,
}: {
  studies: readonly (Omit<Left, 'organization'> & Partial<Left>)[]
}) {
  const { d, moment } = useDesk()
  const nameOf = useOrganizationName()
  return (
    <ul class="desk-log">
      {studies.map(({ organization, study, until }) => (
        <li key={`${organization ?? ''} ${study}`} data-testid="cito">
          <div>
            {organization !== undefined && <p>{nameOf(organization)}</p>}
            <small class="uid">{study}</small>
          </div>
          <span>{d('citoUntil', { at: moment(until) })}</span>
        </li>
      ))}
    </ul>
  )
}
