import { useState } from 'preact/hooks'
import type { AccessRequestRecord } from '#protocol/control.ts'
import { get, post, remove } from './api.ts'
import { Failure, Head, Loaded, Warning } from './frame.tsx'
import { GrantForm } from './grant-form.tsx'
import { useOrganizationName } from './organization-name.ts'
import { type GrantKey, RenewalCards } from './renewals.tsx'
import { RestrictionCards } from './restrictions.tsx'
import { useAction, useDesk, useLoad } from './use-desk.ts'

type Grant = {
  jti: string
  holder: string
  grantee: string
  users: { uid: string; pos: string; dep: string }[]
  scope: { mode: 'all' | 'by_request'; devices: string[]; mod: string[] }
  until: number
  active: boolean
  /** Of those that were given. */
  key?: GrantKey
}

/** «Доступ других МО»: forms № 5 that wait, what was given, what was received. */
export function AccessSection() {
  const { d, roles } = useDesk()
  const [isProposing, setProposing] = useState(false)
  const isAdmin = roles.includes('mo_admin')
  const load = useLoad<{ given: Grant[]; received: Grant[] }>((signal) =>
    get('/api/grants', signal),
  )
  const close = () => setProposing(false)
  return (
    <>
      <Head title={d('access')} hint={d('accessHint')} load={load}>
        {isAdmin && !isProposing && (
          <button type="button" class="button primary" onClick={() => setProposing(true)}>
            {d('propose')}
          </button>
        )}
      </Head>
      {isProposing && (
        <GrantForm
          close={close}
          onGiven={() => {
            close()
            load.reload()
          }}
        />
      )}
      <RestrictionCards />
      {isAdmin && <RenewalCards given={load.data?.given ?? []} onChanged={load.reload} />}
      <WaitingForms onChanged={load.reload} />
      <Loaded load={load}>
        {({ given, received }) => (
          <>
            <section class="desk-card">
              <h2>{d('givenGrants')}</h2>
              {given.length === 0 ? (
                <p class="muted">{d('givenNone')}</p>
              ) : (
                <Grants grants={given} other="grantee" onChanged={load.reload} />
              )}
            </section>
            <section class="desk-card">
              <h2>{d('receivedGrants')}</h2>
              {received.length === 0 ? (
                <p class="muted">{d('receivedNone')}</p>
              ) : (
                <Grants grants={received} other="holder" onChanged={load.reload} />
              )}
            </section>
          </>
        )}
      </Loaded>
    </>
  )
}

type GrantsProps = {
  grants: readonly Grant[]
  other: 'holder' | 'grantee'
  onChanged: () => void
}

function Grants({ grants, other, onChanged }: GrantsProps) {
  const { d, moment, roles } = useDesk()
  const nameOf = useOrganizationName()
  return (
    <table class="desk-table">
      <thead>
        <tr>
          <th>{d('columnOrganization')}</th>
          <th>{d('columnPeople')}</th>
          <th>{d('columnScope')}</th>
          <th>{d('columnUntil')}</th>
          <th />
        </tr>
      </thead>
      <tbody>
        {grants.map((grant) => (
          <tr
            key={grant.jti}
            data-testid={`${other}-row`}
            class={grant.active ? undefined : 'is-unlikely'}
          >
            <td>{nameOf(grant[other])}</td>
            <td>
              {grant.users.map(({ uid, pos, dep }) => (
                <p key={uid}>
                  {[pos, dep].filter(Boolean).join(', ') || uid}
                  <small class="uid">{uid}</small>
                </p>
              ))}
            </td>
            <td>
              {d(grant.scope.mode === 'all' ? 'scopeAll' : 'scopeByRequest')}
              {!grant.scope.mod.includes('*') && <small>{grant.scope.mod.join(', ')}</small>}
            </td>
            <td class="number">
              {moment(grant.until)}
              <State grant={grant} />
            </td>
            <td class="acts">
              {other === 'grantee' && grant.active && roles.includes('mo_admin') && (
                <RevokeButton jti={grant.jti} onRevoked={onChanged} />
              )}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function State({ grant: { active, key } }: { grant: Grant }) {
  const { d } = useDesk()
  const isOpen = active && (key === undefined || key.state === 'named')
  const closed = key?.state === 'changed' ? 'keyChanged' : 'keyRevoked'
  return (
    <small class={isOpen ? 'up' : 'down'}>
      <i class="dot" />
      {d(isOpen ? 'active' : active ? closed : 'inactive')}
    </small>
  )
}

/** There is no way back from it, so it asks once more. */
function RevokeButton({ jti, onRevoked }: { jti: string; onRevoked: () => void }) {
  const { d, notice } = useDesk()
  const action = useAction()
  const [isSure, setSure] = useState(false)
  const run = () =>
    action.run(async () => {
      await remove(`/api/grants/${jti}`)
      notice.value = { text: d('revoked') }
      onRevoked()
    })
  return (
    <>
      <button
        type="button"
        class={isSure ? 'button small danger' : 'button small'}
        disabled={action.isBusy}
        onBlur={() => setSure(false)}
        onClick={() => (isSure ? void run() : setSure(true))}
      >
        {d(isSure ? 'revokeSure' : 'revoke')}
      </button>
      <Failure action={action} />
    </>
  )
}

function WaitingForms({ onChanged }: { onChanged: () => void }) {
  const { d } = useDesk()
  const load = useLoad<{ requests: AccessRequestRecord[] }>((signal) =>
    get('/api/access-requests', signal),
  )
  const requests = load.data?.requests ?? []
  const reload = () => {
    load.reload()
    onChanged()
  }
  return (
    <section class="desk-card">
      <h2>{d('waitingForms')}</h2>
      {load.failure !== undefined && <Warning>{d('waitingAway')}</Warning>}
      {load.data?.requests.length === 0 && <p class="muted">{d('waitingNone')}</p>}
      {requests.length > 0 && (
        <ul class="desk-log">
          {requests.map((form) => (
            <WaitingForm key={`${form.id} ${form.side}`} form={form} onChanged={reload} />
          ))}
        </ul>
      )}
    </section>
  )
}

function WaitingForm({ form, onChanged }: { form: AccessRequestRecord; onChanged: () => void }) {
  const { d, date, roles, notice } = useDesk()
  const nameOf = useOrganizationName()
  const action = useAction()
  const { id, side, rows, validUntil } = form
  const path = `/api/access-requests/${id}`
  const confirm = () =>
    action.run(async () => {
      const { confirmed, unmatched } = await post<{ confirmed: number[]; unmatched: number[] }>(
        `${path}/confirmation`,
      )
      const text = d('confirmedPeople', { n: confirmed.length, m: unmatched.length })
      notice.value = { text }
      onChanged()
    })
  const sign = () =>
    action.run(async () => {
      await post(`${path}/signature`)
      notice.value = { text: d('signed') }
      onChanged()
    })
  const isMine = side === 'holder' || roles.includes('mo_admin')
  return (
    <li>
      <div>
        <p>
          <strong>
            {d('formOf', { holder: nameOf(form.holder), grantee: nameOf(form.grantee) })}
          </strong>{' '}
          № {form.form5.no} {date(form.form5.date.replaceAll('-', ''))}
          {validUntil !== undefined &&
            `, ${d('formUntil', { date: date(validUntil.replaceAll('-', '')) })}`}
        </p>
        {rows.map(({ row, state, fullName, position }) => (
          <p key={row}>
            {[fullName.last, fullName.first, fullName.middle].filter(Boolean).join(' ')}, {position}{' '}
            <small>{d(`row-${state}`)}</small>
          </p>
        ))}
        <Failure action={action} />
      </div>
      {isMine && (
        <button
          type="button"
          class="button primary"
          disabled={action.isBusy}
          onClick={() => void (side === 'holder' ? sign() : confirm())}
        >
          {d(side === 'holder' ? 'signForm' : 'confirmPeople')}
        </button>
      )}
    </li>
  )
}
