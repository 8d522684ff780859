import { useState } from 'preact/hooks'
import { printName } from '#protocol/fields/full-name.ts'
import { Message } from '../../parts/message.tsx'
import { type AccountView, get } from '../api.ts'
import { useLoad, useTexts } from '../desk.ts'
import { Failure, Loading, Status, useAct } from '../parts/act.tsx'

type AuditRecord = {
  seq: number
  at: number
  actor: string
  role: string
  source: string
  action: string
  subject: string
  outcome: 'success' | 'denied' | 'failure'
  detail: string
}
type Check = { ok: true; count: number } | { ok: false; at: number }

const pageRows = 100

/** Who did what at the registry, oldest first; reading it is itself recorded. */
export function AuditPage() {
  const { t } = useTexts()
  const [after, setAfter] = useState(0)
  const data = useLoad(async () => {
    const query = new URLSearchParams({ after: String(after), limit: String(pageRows) })
    const [{ records }, { accounts }] = await Promise.all([
      get<{ records: AuditRecord[] }>(`/api/audit?${query}`),
      get<{ accounts: AccountView[] }>('/api/accounts'),
    ])
    return { records, names: new Map(accounts.map(({ id, name }) => [id, printName(name)])) }
  }, [after])
  return (
    <Loading of={data}>
      {({ records, names }) => (
        <div class="page">
          <div class="page-head">
            <h1>{t('audit')}</h1>
            <span class="muted">{t('auditHint')}</span>
            <Integrity />
          </div>
          {records.length === 0 ? (
            <Message icon="inbox" title={t('auditEmpty')} text={t('auditEmptyText')} />
          ) : (
            <Records records={records} names={names} />
          )}
          <footer class="editor-foot">
            <button
              type="button"
              class="button"
              disabled={after === 0}
              onClick={() => setAfter(Math.max(0, after - pageRows))}
            >
              {t('earlier')}
            </button>
            <button
              type="button"
              class="button"
              data-testid="audit-later"
              disabled={records.length < pageRows}
              onClick={() => setAfter(records.at(-1)?.seq ?? after)}
            >
              {t('later')}
            </button>
          </footer>
        </div>
      )}
    </Loading>
  )
}

function Records({ records, names }: { records: AuditRecord[]; names: Map<string, string> }) {
  const { t, moment } = useTexts()
  return (
    <div class="table-area">
      <table class="rows plain-rows">
        <thead>
          <tr>
            {(['number', 'when', 'who', 'did', 'about', 'outcome'] as const).map((name) => (
              <th key={name}>{t(`audit_${name}`)}</th>
            ))}
          </tr>
        </thead>
        <tbody data-testid="audit">
          {records.map(({ seq, at, actor, role, source, action, subject, outcome, detail }) => (
            <tr key={seq}>
              <td class="number">{seq}</td>
              <td>{moment(at)}</td>
              <td>
                {names.get(actor) ?? (actor === '' ? t('bySystem') : actor)}
                <small>{[role, source].filter((one) => one !== '').join(' · ')}</small>
              </td>
              <td>
                <code>{action}</code>
              </td>
              <td>
                <code>{names.get(subject) ?? subject}</code>
                {detail !== '' && <small>{detail}</small>}
              </td>
              <td>
                <Status of={outcome === 'success' ? 'effective' : 'refused'}>
                  {t(`outcome_${outcome}`)}
                </Status>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

/** Each record stands on the one before: a broken one is named by its number. */
function Integrity() {
  const { t } = useTexts()
  const act = useAct()
  const [found, setFound] = useState<Check | undefined>(undefined)
  const check = () =>
    act.run(async () => {
      setFound(await get<Check>('/api/audit/check'))
    })
  return (
    <span class="actions end" role="status">
      {found !== undefined && (
        <Status of={found.ok ? 'effective' : 'refused'}>
          {found.ok ? t('auditWhole', { n: found.count }) : t('auditBroken', { n: found.at })}
        </Status>
      )}
      <Failure error={act.error} />
      <button
        type="button"
        class="button"
        data-testid="audit-check"
        disabled={act.isBusy}
        onClick={() => void check()}
      >
        {t('auditCheck')}
      </button>
    </span>
  )
}
