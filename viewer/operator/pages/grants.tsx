import { useState } from 'preact/hooks'
import { printName, type FullName } from '#protocol/fields/full-name.ts'
import type { AccessRequest } from '#protocol/access-request.ts'
import { Message } from '../../parts/message.tsx'
import { allForms, allGrants, allOrganizations, type Grant, post } from '../api.ts'
import { useLoad, useTexts } from '../desk.ts'
import { Decision } from '../forms/decisions.tsx'
import { DecisionDialog, Loading, Status } from '../parts/act.tsx'
import { hrefOf } from './inbox.tsx'

/** One paper, or one grant that has none, between two organizations. */
type Access = {
  id: string
  holder: string
  grantee: string
  status: 'approved' | 'effective' | 'paused' | 'revoked' | 'expired'
  people: number
  until: number | undefined
  form?: AccessRequest
  grant?: Grant
}

/** Who sees whose studies: holders down, grantees across. */
export function GrantsPage() {
  const { t } = useTexts()
  const data = useLoad(async () => {
    const [forms, grants, organizations] = await Promise.all([
      allForms(),
      allGrants(),
      allOrganizations(),
    ])
    const names = new Map<string, string>(
      organizations.map(({ card }) => [card.oid, card.fullName]),
    )
    return {
      all: accessesOf(
        forms.flatMap((form) => (form.kind === 'access_request' ? [form] : [])),
        grants,
      ),
      names,
    }
  }, [])
  return (
    <Loading of={data}>
      {({ all, names }) =>
        all.length === 0 ? (
          <Message icon="lock" title={t('grantsEmpty')} text={t('grantsEmptyText')} />
        ) : (
          <Grants all={all} names={names} onDone={data.reload} />
        )
      }
    </Loading>
  )
}

function accessesOf(forms: AccessRequest[], grants: Grant[]): Access[] {
  const decided = forms.flatMap((form): Access[] => {
    const { id, holder, status, rows, content } = form
    const isShown = ['approved', 'effective', 'paused', 'revoked', 'expired'].includes(status)
    if (!isShown) return []
    const grant = grants.find(({ jti }) => jti === form.grant)
    const people = rows.filter(({ state }) => state === 'confirmed').length
    const grantee = String(content['granteeOrg'])
    const given = { id, holder, grantee, people, until: grant?.expiresAt, form }
    return [{ ...given, status: status as Access['status'], ...(grant !== undefined && { grant }) }]
  })
  const papers = new Set(forms.map(({ grant }) => grant))
  const bare = grants
    .filter(({ jti }) => !papers.has(jti))
    .map((grant): Access => ({
      id: grant.jti,
      holder: grant.holder,
      grantee: grant.grantee,
      status: grant.isActive ? 'effective' : 'revoked',
      people: grant.users.length,
      until: grant.expiresAt,
      grant,
    }))
  return [...decided, ...bare]
}

const isLive = ({ status }: Access): boolean => ['approved', 'effective', 'paused'].includes(status)

type Given = { all: Access[]; names: Map<string, string>; onDone: () => Promise<void> }

function Grants({ all, names, onDone }: Given) {
  const { t } = useTexts()
  const [cell, setCell] = useState<{ holder: string; grantee: string } | undefined>(undefined)
  const nameOf = (oid: string): string => names.get(oid) ?? oid
  const byName = (a: string, b: string) => nameOf(a).localeCompare(nameOf(b), 'ru')
  const holders = [...new Set(all.map(({ holder }) => holder))].sort(byName)
  const grantees = [...new Set(all.map(({ grantee }) => grantee))].sort(byName)
  const between = (holder: string, grantee: string) =>
    all.filter((one) => one.holder === holder && one.grantee === grantee)
  return (
    <div class="page scrolls">
      <div class="page-head">
        <h1>{t('grantsTitle')}</h1>
        <span class="muted">{t('grantsLegend')}</span>
      </div>
      <div class="matrix-area">
        <table class="matrix" data-testid="matrix">
          <thead>
            <tr>
              <td />
              {grantees.map((oid) => (
                <th key={oid} scope="col" title={oid}>
                  {nameOf(oid)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {holders.map((holder) => (
              <tr key={holder}>
                <th scope="row" title={holder}>
                  {nameOf(holder)}
                </th>
                {grantees.map((grantee) => (
                  <td key={grantee}>
                    <Cell
                      of={between(holder, grantee)}
                      isChosen={cell?.holder === holder && cell.grantee === grantee}
                      onChoose={() => setCell({ holder, grantee })}
                    />
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {cell === undefined ? (
        <p class="muted chosen">{t('chooseCell')}</p>
      ) : (
        <section class="chosen">
          <h2>{t('cellOf', { holder: nameOf(cell.holder), grantee: nameOf(cell.grantee) })}</h2>
          {between(cell.holder, cell.grantee).map((access) => (
            <Paper key={access.id} access={access} onDone={onDone} />
          ))}
        </section>
      )}
    </div>
  )
}

type CellProps = { of: Access[]; isChosen: boolean; onChoose: () => void }

function Cell({ of, isChosen, onChoose }: CellProps) {
  const { t, day } = useTexts()
  const live = of.filter(isLive)
  const people = live.reduce((sum, one) => sum + one.people, 0)
  const until = Math.max(...live.map((one) => one.until ?? 0))
  const first = live[0] ?? of[0]
  if (first === undefined) return null
  return (
    <button type="button" class="cell" aria-pressed={isChosen} onClick={onChoose}>
      <Status of={first.status}>{t(`status_${first.status}`)}</Status>
      {live.length > 0 && <b>{t('people', { n: people })}</b>}
      {until > 0 && <small>{t('validUntil', { date: day(until) })}</small>}
    </button>
  )
}

function People({ of, onDone }: { of: Access; onDone: () => Promise<void> }) {
  const { t } = useTexts()
  const [leaving, setLeaving] = useState<PersonOf | undefined>(undefined)
  return (
    <>
      <table class="rows plain-rows">
        <thead>
          <tr>
            {(['person', 'position', 'account', 'state'] as const).map((name) => (
              <th key={name}>{t(`column_${name}`)}</th>
            ))}
            <th />
          </tr>
        </thead>
        <tbody>
          {peopleOf(of).map((person, at) => (
            <tr key={at}>
              <td>{person.name}</td>
              <td>{person.position}</td>
              <td>
                <code>{person.uid}</code>
              </td>
              <td>
                <span class={`status row-${person.state}`}>{t(`rowState_${person.state}`)}</span>
              </td>
              <td>
                {person.state === 'confirmed' && (
                  <button
                    type="button"
                    class="button small danger-quiet"
                    data-testid="user-off"
                    onClick={() => setLeaving(person)}
                  >
                    {t('userOff')}
                  </button>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {leaving !== undefined && (
        <DecisionDialog
          title={`${t('userOff')}: ${leaving.name}`}
          confirm={t('userOff')}
          isDanger
          onClose={() => setLeaving(undefined)}
          onConfirm={async () => {
            await post('/api/federation/users/disable', { user: leaving.uid })
            await onDone()
          }}
        >
          <section class="preview" data-testid="preview">
            <h3>{t('consequences')}</h3>
            <p>{t('userOffText')}</p>
          </section>
        </DecisionDialog>
      )}
    </>
  )
}

function Paper({ access, onDone }: { access: Access; onDone: () => Promise<void> }) {
  const { t, day } = useTexts()
  const [isRevoking, setRevoking] = useState(false)
  const { form, grant, status, until } = access
  const revoke = async () => {
    await post(`/api/federation/grants/${grant?.jti}/revoke`)
    await onDone()
  }
  return (
    <section class="card">
      <div class="page-head">
        {form === undefined ? (
          <b>{t('withoutForm')}</b>
        ) : (
          <a href={hrefOf(form)}>
            {t('kind_access_request')} {form.number ?? ''}
          </a>
        )}
        <Status of={status}>{t(`status_${status}`)}</Status>
        {until !== undefined && <span class="muted">{t('validUntil', { date: day(until) })}</span>}
        {isLive(access) && (
          <button
            type="button"
            class="button small danger-quiet end"
            onClick={() => setRevoking(true)}
          >
            {t('action_revoke')}
          </button>
        )}
      </div>
      <People of={access} onDone={onDone} />
      {isRevoking && form !== undefined && (
        <Decision form={form} type="revoke" onDone={onDone} onClose={() => setRevoking(false)} />
      )}
      {isRevoking && form === undefined && (
        <DecisionDialog
          title={t('action_revoke')}
          confirm={t('action_revoke')}
          isDanger
          onConfirm={revoke}
          onClose={() => setRevoking(false)}
        >
          <p>{t('revokeText')}</p>
        </DecisionDialog>
      )}
    </section>
  )
}

type PersonOf = ReturnType<typeof peopleOf>[number]

function peopleOf({ form, grant }: Access) {
  if (form === undefined) {
    return (grant?.users ?? []).map(({ uid, position }) => ({
      name: '—',
      position,
      uid,
      state: 'confirmed' as const,
    }))
  }
  const users = (form.content['users'] ?? []) as { fullName: FullName; position: string }[]
  return form.rows.map(({ row, state, uid }) => ({
    name: printName(users[row - 1]?.fullName ?? { last: '—', first: '' }),
    position: users[row - 1]?.position ?? '',
    uid: uid ?? '—',
    state,
  }))
}
