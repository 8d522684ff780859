import { useState } from 'preact/hooks'
import { type Federation, get, post } from '../api.ts'
import { useLoad, useSession, useTexts } from '../desk.ts'
import { DecisionDialog, Failure, Input, Loading, useAct } from '../parts/act.tsx'
import { NodeState } from '../parts/node-state.tsx'

/** A C2SP checkpoint: origin, size, root hash; then one line for each signature, the log's own first. */
type Checkpoint = { origin: string; size: string; root: string; signatures: number }

async function readCheckpoint(): Promise<Checkpoint | undefined> {
  const response = await fetch('/log/checkpoint')
  if (!response.ok) return undefined
  const text = await response.text()
  const [origin = '', size = '', root = ''] = text.split('\n')
  return {
    origin,
    size,
    root,
    signatures: text.split('\n').filter((line) => line.startsWith('— ')).length,
  }
}

/** Whose keys count, until when, and what keeps the record of it. */
export function IdentitiesPage() {
  const { t } = useTexts()
  const data = useLoad(async () => {
    const [federation, checkpoint] = await Promise.all([
      get<Federation>('/api/federation'),
      readCheckpoint().catch(() => undefined),
    ])
    return { federation, checkpoint }
  }, [])
  return (
    <Loading of={data}>
      {({ federation, checkpoint }) => (
        <div class="page scrolls">
          <div class="cards">
            <TrustList trust={federation.trust} />
            <section class="card">
              <h3>{t('transparency')}</h3>
              {checkpoint === undefined ? (
                <p class="muted">{t('transparencyOff')}</p>
              ) : (
                <dl class="facts">
                  <dt>{t('logSize')}</dt>
                  <dd>{checkpoint.size}</dd>
                  <dt>{t('logRoot')}</dt>
                  <dd>
                    <code>{checkpoint.root}</code>
                  </dd>
                  <dt>{t('logSignatures')}</dt>
                  <dd>{Math.max(0, checkpoint.signatures - 1)}</dd>
                </dl>
              )}
              <h3>{t('witnesses')}</h3>
              <Witnesses log={federation.trust.log} />
            </section>
            <Publish onDone={data.reload} />
          </div>
          <Members members={federation.members} onDone={data.reload} />
        </div>
      )}
    </Loading>
  )
}

function Witnesses({ log }: { log: Federation['trust']['log'] }) {
  const { t } = useTexts()
  if (log === undefined || log.witnesses.length === 0) {
    return <p class="muted">{t('transparencyOff')}</p>
  }
  return (
    <ul class="plain">
      {log.witnesses.map((key) => (
        <li key={key}>
          <b>{key.split('+')[0]}</b>
        </li>
      ))}
    </ul>
  )
}

function TrustList({ trust }: { trust: Federation['trust'] }) {
  const { t, day } = useTexts()
  return (
    <section class="card">
      <h3>{t('trustList')}</h3>
      <dl class="facts">
        <dt>{t('trustVersion')}</dt>
        <dd>{trust.version}</dd>
        <dt>{t('issuedAt')}</dt>
        <dd>{day(trust.issuedAt * 1000)}</dd>
        <dt>{t('keyUntil')}</dt>
        <dd>{day(trust.expiresAt * 1000)}</dd>
        <dt>{t('secondFactor')}</dt>
        <dd>
          {t(
            trust.policy.secondFactor === 'required'
              ? 'secondFactor_required'
              : 'secondFactor_optional',
          )}
        </dd>
        <dt>{t('authority')}</dt>
        <dd>
          <code>{trust.authority}</code>
        </dd>
        <dt>{t('registryKey')}</dt>
        <dd>
          <code>{trust.registry}</code>
        </dd>
        {trust.issuers.map(({ kid, expiresAt }) => (
          <>
            <dt>{t('issuers')}</dt>
            <dd>
              <code>{kid}</code> <small>{t('validUntil', { date: day(expiresAt * 1000) })}</small>
            </dd>
          </>
        ))}
      </dl>
    </section>
  )
}

type Member = Federation['members'][number]

function Members({ members, onDone }: { members: Member[]; onDone: () => Promise<void> }) {
  const { t } = useTexts()
  const [chosen, setChosen] = useState<Member | undefined>(undefined)
  return (
    <section class="card members">
      <h3>{t('membersTitle')}</h3>
      {members.length === 0 && <p class="muted">{t('membersEmpty')}</p>}
      <table class="rows plain-rows">
        <thead>
          <tr>
            <th>{t('column_organization')}</th>
            <th>{t('column_node')}</th>
            <th>{t('fingerprint')}</th>
            <th>{t('issuedAt')}</th>
            <th>{t('keyUntil')}</th>
            <th />
          </tr>
        </thead>
        <tbody data-testid="members">
          {members.map((member) => (
            <MemberRow key={member.kid} member={member} onRevoke={() => setChosen(member)} />
          ))}
        </tbody>
      </table>
      {chosen !== undefined && (
        <DecisionDialog
          title={t('revokeKey')}
          confirm={t('revokeKey')}
          isDanger
          onClose={() => setChosen(undefined)}
          onConfirm={async () => {
            await post(`/api/federation/keys/${chosen.kid}/revoke`)
            await onDone()
          }}
        >
          <p class="notice warning">{t('revokeKeyText', { name: chosen.name })}</p>
          <code>{chosen.kid}</code>
        </DecisionDialog>
      )}
    </section>
  )
}

function MemberRow({ member, onRevoke }: { member: Member; onRevoke: () => void }) {
  const { t, day } = useTexts()
  const { roles } = useSession()
  return (
    <tr>
      <td>
        <a href={`/organizations/${member.organization}`}>{member.name}</a>
        <small>{member.organization}</small>
      </td>
      <td>
        <NodeState member={member} />
      </td>
      <td>
        <code>{member.kid}</code>
      </td>
      <td>{day(member.issuedAt * 1000)}</td>
      <td class={member.expiresAt - Date.now() < 30 * 86_400_000 ? 'late' : undefined}>
        {day(member.expiresAt)}
      </td>
      <td>
        {!member.isRevoked && (
          <button
            type="button"
            class="button small danger-quiet"
            disabled={!roles.includes('cami_admin')}
            title={roles.includes('cami_admin') ? undefined : t('errorRole')}
            onClick={onRevoke}
          >
            {t('revokeKey')}
          </button>
        )}
      </td>
    </tr>
  )
}

function Publish({ onDone }: { onDone: () => Promise<void> }) {
  const { t } = useTexts()
  const act = useAct()
  const [credential, setCredential] = useState('')
  const [isPublished, setPublished] = useState(false)
  const publish = async (event: Event) => {
    event.preventDefault()
    const isDone = await act.run(async () => {
      await post('/api/federation/credentials', { credential: credential.trim() })
      await onDone()
    })
    setPublished(isDone)
    if (isDone) setCredential('')
  }
  return (
    <form class="card" onSubmit={(event) => void publish(event)}>
      <h3>{t('publishCredential')}</h3>
      <Input
        name="credential"
        isLong
        label={t('credentialHint')}
        value={credential}
        onInput={setCredential}
      />
      <Failure error={act.error} />
      {isPublished && (
        <p class="notice" role="status">
          {t('published')}
        </p>
      )}
      <button class="button" disabled={act.isBusy}>
        {t(act.isBusy ? 'working' : 'publish')}
      </button>
    </form>
  )
}
