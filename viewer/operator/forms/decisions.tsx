import { useState } from 'preact/hooks'
import { clauses } from '#protocol/form.ts'
import { form2, form3 } from '#protocol/form-wording.ts'
import { printName } from '#protocol/fields/full-name.ts'
import { type Activation, type Form, placeOf, post } from '../api.ts'
import { useTexts } from '../desk.ts'
import { DecisionDialog, Input, Select } from '../parts/act.tsx'
import type { Key } from '../texts/texts.ts'
import { valueAt } from './content.ts'
import type { ActionType } from './offers.ts'

type Props = {
  form: Form
  type: ActionType
  onDone: (activations: Activation[]) => Promise<void>
  onClose: () => void
}
type Reason = { clause: string; text: string }

/** What an action needs to be told, and what will follow from it, before it is done. */
export function Decision({ form, type, onDone, onClose }: Props) {
  const { t } = useTexts()
  const [no, setNo] = useState('')
  const [date, setDate] = useState('')
  const [reason, setReason] = useState('')
  const [code, setCode] = useState('')
  const [reasons, setReasons] = useState<Reason[]>([{ clause: 'J-2', text: '' }])
  const action = (): Record<string, unknown> => {
    if (type === 'register') return { type, incoming: { no, date } }
    if (type === 'receive_signature') {
      return { type, signature: { kind: 'paper', incomingNo: no, date } }
    }
    if (type === 'refuse') return { type, reasons }
    if (type === 'confirm') return { type, code: code.trim() }
    return type === 'revoke' ? { type, reason } : { type }
  }
  const act = async () => {
    const path = `/api/${placeOf[form.kind]}/${form.id}/actions`
    const { activations = [] } = await post<{ activations?: Activation[] }>(path, action())
    await onDone(activations)
  }
  return (
    <DecisionDialog
      title={t(`action_${type}`)}
      confirm={t(`action_${type}`)}
      isDanger={['refuse', 'revoke', 'withdraw'].includes(type)}
      onConfirm={act}
      onClose={onClose}
    >
      {(type === 'register' || type === 'receive_signature') && (
        <div class="pair">
          <Input name="no" label={t('incomingNo')} value={no} onInput={setNo} />
          <Input name="date" label={t('incomingDate')} value={date} onInput={setDate} />
        </div>
      )}
      {type === 'refuse' && <Reasons reasons={reasons} set={setReasons} />}
      {type === 'revoke' && (
        <Input name="reason" isLong label={t('revokeReason')} value={reason} onInput={setReason} />
      )}
      {type === 'confirm' && (
        <Input name="code" label={t('code')} hint={t('codeHint')} value={code} onInput={setCode} />
      )}
      <section class="preview" data-testid="preview">
        <h3>{t('consequences')}</h3>
        <p>{t(consequence(form, type))}</p>
        {type === 'approve' && form.kind === 'enrollment' && <NewAccounts form={form} />}
        {['approve', 'confirm'].includes(type) && form.kind === 'access_request' && (
          <Access form={form} />
        )}
        {type === 'refuse' && <RefusalNotice form={form} reasons={reasons} />}
        {(type === 'issue_notice' || (type === 'approve' && form.kind === 'enrollment')) && (
          <AccessNotice form={form} />
        )}
      </section>
    </DecisionDialog>
  )
}

function consequence({ kind }: Form, type: ActionType): Key {
  if (type === 'approve')
    return kind === 'enrollment' ? 'approveEnrollmentText' : 'approveAccessText'
  if (type === 'register') return kind === 'device_notice' ? 'registerDevicesText' : 'registerText'
  const texts: { [T in ActionType]?: Key } = {
    confirm: 'confirmText',
    refuse: 'refuseText',
    revoke: 'revokeText',
    receive_signature: 'signatureText',
    withdraw: 'withdrawText',
    close: 'closeText',
    issue_notice: 'noticeIssueText',
  }
  return texts[type] ?? 'submitText'
}

type Row = { fullName?: unknown; position?: unknown; email?: unknown; responsibility?: unknown }

const rowsOf = (form: Form, path: string): Row[] => {
  const rows = valueAt(form.content, path)
  return Array.isArray(rows) ? (rows as Row[]) : []
}
const nameOf = ({ fullName }: Row): string =>
  typeof fullName === 'object' && fullName !== null
    ? printName(fullName as never)
    : String(fullName)

function NewAccounts({ form }: { form: Form }) {
  const { t } = useTexts()
  return (
    <>
      <h4>{t('whoGetsAccounts')}</h4>
      <ul>
        {rowsOf(form, 'persons').map((person, at) => (
          <li key={at}>
            <b>{nameOf(person)}</b> · {t(`person_${String(person.responsibility)}` as Key)} ·{' '}
            {String(person.email)}
          </li>
        ))}
      </ul>
    </>
  )
}

/** № 2 as it will be printed. */
function AccessNotice({ form }: { form: Form }) {
  const { t } = useTexts()
  const logins = new Map(
    form.kind === 'enrollment' ? form.logins.map(({ row, login }) => [row, login]) : [],
  )
  return (
    <>
      <h4>{t('noticeText', { n: 2 })}</h4>
      <blockquote class="letter" lang="ru">
        <b>{form2.title}</b>
        <p>{form2.lead}</p>
        <table>
          <thead>
            <tr>
              <th>{form2.columns[0]}</th>
              <th>{form2.columns[1]}</th>
            </tr>
          </thead>
          <tbody>
            {rowsOf(form, 'persons').map((person, at) => (
              <tr key={at}>
                <td>{nameOf(person)}</td>
                <td>{logins.get(at + 1) ?? <i>{t('loginLater')}</i>}</td>
              </tr>
            ))}
          </tbody>
        </table>
        <p>{form2.note}</p>
      </blockquote>
      <Recipient form={form} />
    </>
  )
}

function Recipient({ form }: { form: Form }) {
  const { t } = useTexts()
  const email = form.content['notifyEmail']
  return typeof email === 'string' ? <p class="muted">{t('noticeTo', { email })}</p> : null
}

/** № 3 as it will be printed. */
function RefusalNotice({ form, reasons }: { form: Form; reasons: Reason[] }) {
  const { t } = useTexts()
  const name =
    valueAt(form.content, 'organization.fullName') ?? valueAt(form.content, 'orgStamp.name')
  return (
    <>
      <h4>{t('noticeText', { n: 3 })}</h4>
      <blockquote class="letter" lang="ru">
        <b>{form3.title}</b>
        <p>
          {form3.lead} {String(name)}
        </p>
        <p>{form3.reasons}</p>
        <ol>
          {reasons.map(({ clause, text }, at) => (
            <li key={at}>
              {text === '' ? '…' : text} ({clauses[clause] ?? clause})
            </li>
          ))}
        </ol>
      </blockquote>
      <Recipient form={form} />
    </>
  )
}

function Reasons({ reasons, set }: { reasons: Reason[]; set: (reasons: Reason[]) => void }) {
  const { t } = useTexts()
  const change = (at: number, part: Partial<Reason>) =>
    set(reasons.map((one, index) => (index === at ? { ...one, ...part } : one)))
  return (
    <div class="stack">
      {reasons.map(({ clause, text }, at) => (
        <fieldset key={at} class="reason">
          <Select
            name={`clause-${at}`}
            label={t('reasonClause')}
            value={clause}
            options={clauses}
            onInput={(value) => change(at, { clause: value })}
          />
          <Input
            name={`text-${at}`}
            isLong
            label={t('reasonText')}
            value={text}
            onInput={(value) => change(at, { text: value })}
          />
          {reasons.length > 1 && (
            <button
              type="button"
              class="button small quiet"
              onClick={() => set(reasons.filter((_, index) => index !== at))}
            >
              {t('removeRow')}
            </button>
          )}
        </fieldset>
      ))}
      <button
        type="button"
        class="button small"
        onClick={() => set([...reasons, { clause: 'J-5', text: '' }])}
      >
        {t('addReason')}
      </button>
    </div>
  )
}

/** Whom form № 5 will let in, to what, and until when. */
function Access({ form }: { form: Extract<Form, { kind: 'access_request' }> }) {
  const texts = useTexts()
  const { t } = texts
  const { modalities, deviceIds, referredOnly, validUntil } = form.content
  const scope = [
    referredOnly === true ? t('scopeReferred') : t('scopeAll'),
    ...(Array.isArray(modalities) ? [t('scopeModalities', { list: modalities.join(', ') })] : []),
    ...(Array.isArray(deviceIds) ? [t('scopeDevices', { n: deviceIds.length })] : []),
  ]
  const users = rowsOf(form, 'users')
  return (
    <>
      <ul>
        {users.map((user, at) => {
          const state = form.rows.find(({ row }) => row === at + 1)?.state
          return (
            <li key={at}>
              <b>{nameOf(user)}</b> ·{' '}
              {state === undefined ? (
                typeof user.position === 'string' && user.position
              ) : (
                <span class={`status row-${state}`}>{t(`rowState_${state}`)}</span>
              )}
            </li>
          )
        })}
      </ul>
      <dl class="facts">
        <dt>{t('scopeOfGrant')}</dt>
        <dd>{scope.join('; ')}</dd>
        <dt>{t('until')}</dt>
        <dd>{typeof validUntil === 'string' ? texts.date(validUntil) : t('untilDefault')}</dd>
      </dl>
    </>
  )
}
