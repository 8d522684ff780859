import { useState } from 'preact/hooks'
import { printName } from '#protocol/fields/full-name.ts'
import { printPhone } from '#protocol/fields/phone.ts'
import { conditionCodes, conditions, type ConditionCode } from '#protocol/organization.ts'
import {
  type Activation,
  allDevices,
  allForms,
  allOrganizations,
  allRestrictions,
  type Federation,
  type Form,
  get,
  type Organization,
  post,
} from '../api.ts'
import { useLoad, useTexts } from '../desk.ts'
import { DecisionDialog, Input, Loading, Select, Status, useAct, Failure } from '../parts/act.tsx'
import { Links } from '../parts/links.tsx'
import { NodeState } from '../parts/node-state.tsx'
import { Restrictions } from '../parts/restrictions.tsx'
import type { Key } from '../texts/texts.ts'
import { hrefOf } from './inbox.tsx'

async function loadCard(oid: string) {
  const [organization, organizations, devices, forms, restrictions, federation, accounts] =
    await Promise.all([
      get<Organization>(`/api/organizations/${oid}`),
      allOrganizations(),
      allDevices(),
      allForms(),
      allRestrictions(),
      get<Federation>('/api/federation'),
      get<{
        accounts: {
          id: string
          organization?: string
          name: Organization['card']['persons'][number]['fullName']
        }[]
      }>('/api/accounts'),
    ])
  return {
    organization,
    names: new Map(organizations.map(({ card }) => [card.oid, card.fullName])),
    devices: devices.filter(({ organization }) => organization === oid),
    forms,
    restrictions: restrictions.filter(({ organization }) => organization === oid),
    member: federation.members.find(({ organization }) => organization === oid),
    accounts: accounts.accounts.filter(({ organization }) => organization === oid),
  }
}

/** An organization's card: what it lacks, who answers, what it sends with, whom it lets in, what is limited. */
export function OrganizationPage({ oid = '' }: { oid?: string }) {
  const { t } = useTexts()
  const data = useLoad(() => loadCard(oid), [oid])
  return (
    <Loading of={data}>
      {({ organization, names, devices, forms, restrictions, member, accounts }) => (
        <div class="page scrolls">
          <div class="page-head">
            <a href="/organizations" class="button quiet">
              ← {t('organizations')}
            </a>
            <h1>{organization.card.fullName}</h1>
            <Status of={organization.state}>{t(`state_${organization.state}`)}</Status>
            <span class="muted">{oid}</span>
          </div>
          <div class="columns even">
            <div class="stack">
              <Conditions organization={organization} onDone={data.reload} />
              <Persons organization={organization} accounts={accounts} />
            </div>
            <div class="stack">
              <Restrictions oid={oid} restrictions={restrictions} />
              <section class="card">
                <h3>{t('node')}</h3>
                <p>
                  <NodeState member={member} />
                </p>
                {member !== undefined && <Fingerprint member={member} />}
              </section>
              <section class="card">
                <h3>{t('devices')}</h3>
                {devices.length === 0 && <p class="muted">{t('devicesEmpty')}</p>}
                <ul class="plain">
                  {devices.map(({ id, device, status, startDate }) => (
                    <li key={id}>
                      <b>{device.model}</b> <Status of={status}>{t(`device_${status}`)}</Status>
                      <StartDate date={startDate} />
                    </li>
                  ))}
                </ul>
              </section>
              <Access oid={oid} forms={forms} names={names} />
            </div>
          </div>
        </div>
      )}
    </Loading>
  )
}

function StartDate({ date }: { date: string }) {
  const texts = useTexts()
  return <small>{texts.t('deviceStart', { date: texts.date(date) })}</small>
}

function Fingerprint({ member }: { member: Federation['members'][number] }) {
  const { t, day } = useTexts()
  return (
    <dl class="facts">
      <dt>{t('fingerprint')}</dt>
      <dd>
        <code>{member.kid}</code>
      </dd>
      <dt>{t('keyUntil')}</dt>
      <dd>{day(member.expiresAt)}</dd>
    </dl>
  )
}

function Conditions({
  organization,
  onDone,
}: {
  organization: Organization
  onDone: () => Promise<void>
}) {
  const texts = useTexts()
  const { t } = texts
  const { checklist, missing, card } = organization
  const [chosen, setChosen] = useState<ConditionCode | undefined>(undefined)
  return (
    <section class="card" data-testid="checklist">
      <h3>{t('checklist')}</h3>
      <p class={missing.length === 0 ? 'muted' : 'late'}>
        {missing.length === 0 ? t('nothingMissing') : t('missingOf', { n: missing.length })}
      </p>
      <ul class="checklist">
        {conditionCodes.map((code) => {
          const { state, basis, date, by } = checklist[code]
          return (
            <li key={code} class={missing.includes(code) ? 'is-missing' : 'is-done'}>
              <span class="mark" aria-hidden="true">
                {missing.includes(code) ? '○' : '✓'}
              </span>
              <div>
                <b>{code}</b> <span lang="ru">{conditions[code]}</span>
                <small>
                  {[
                    t(`condition_${state}`),
                    basis,
                    date === undefined ? undefined : texts.date(date),
                    by,
                  ]
                    .filter((one) => one !== undefined)
                    .join(' · ')}
                </small>
              </div>
              <button
                type="button"
                class="button small quiet"
                aria-label={`${t('attest')}: ${code}`}
                onClick={() => setChosen(code)}
              >
                {t('attest')}
              </button>
            </li>
          )
        })}
      </ul>
      {chosen !== undefined && (
        <Attest oid={card.oid} code={chosen} onDone={onDone} onClose={() => setChosen(undefined)} />
      )}
    </section>
  )
}

type AttestProps = {
  oid: string
  code: ConditionCode
  onDone: () => Promise<void>
  onClose: () => void
}

function Attest({ oid, code, onDone, onClose }: AttestProps) {
  const { t } = useTexts()
  const [state, setState] = useState('fulfilled')
  const [basis, setBasis] = useState('')
  const [date, setDate] = useState('')
  const states = ['fulfilled', 'missing', ...(code === 'J-4' ? ['not_required'] : [])]
  return (
    <DecisionDialog
      title={`${code}: ${conditions[code]}`}
      confirm={t('save')}
      onClose={onClose}
      onConfirm={async () => {
        await post(`/api/organizations/${oid}/checklist`, { code, state, basis, date })
        await onDone()
      }}
    >
      <Select
        name="state"
        label={t('attestState')}
        value={state}
        options={Object.fromEntries(states.map((one) => [one, t(`condition_${one}` as Key)]))}
        onInput={setState}
      />
      <Input name="basis" label={t('attestBasis')} value={basis} onInput={setBasis} />
      <Input name="date" label={t('attestDate')} value={date} onInput={setDate} />
    </DecisionDialog>
  )
}

type AccountOf = { id: string; name: Organization['card']['persons'][number]['fullName'] }

function Persons({
  organization,
  accounts,
}: {
  organization: Organization
  accounts: AccountOf[]
}) {
  const texts = useTexts()
  const { t } = texts
  const act = useAct()
  const [links, setLinks] = useState<Activation[]>([])
  const { persons } = organization.card
  const invite = (id: string, name: string) =>
    act.run(async () => {
      const link = await post<Activation>(`/api/accounts/${id}/activation`)
      setLinks([{ ...link, name }])
    })
  return (
    <section class="card">
      <h3>{t('persons')}</h3>
      {persons.length === 0 && <p class="muted">{t('personsEmpty')}</p>}
      {links.length > 0 && <Links links={links} onClose={() => setLinks([])} />}
      <ul class="plain">
        {persons.map(({ id, kind, fullName, snils, position, phone, email, to }) => {
          const name = printName(fullName)
          const account = accounts.find((one) => printName(one.name) === name)
          return (
            <li key={id}>
              <b>{name}</b> · {t(`person_${kind}` as Key)}
              {to !== undefined && ` · ${t('personUntil', { date: texts.date(to) })}`}
              <small>
                {position} · {printPhone(phone)} · {email}
                {snils !== undefined && ` · ${t('snils')} ${snils}`}
              </small>
              {account !== undefined && to === undefined && (
                <button
                  type="button"
                  class="button small"
                  disabled={act.isBusy}
                  onClick={() => void invite(account.id, name)}
                >
                  {t('newLink')}
                </button>
              )}
            </li>
          )
        })}
      </ul>
      <Failure error={act.error} />
    </section>
  )
}

type AccessProps = { oid: string; forms: Form[]; names: Map<string, string> }

function Access({ oid, forms, names }: AccessProps) {
  const { t } = useTexts()
  const inForce = forms.flatMap((form) =>
    form.kind === 'access_request' && ['approved', 'effective', 'paused'].includes(form.status)
      ? [form]
      : [],
  )
  const sides = [
    { title: t('grantsGiven'), of: inForce.filter(({ holder }) => holder === oid), isGiven: true },
    {
      title: t('grantsReceived'),
      of: inForce.filter(({ content }) => content['granteeOrg'] === oid),
      isGiven: false,
    },
  ]
  return (
    <section class="card">
      {sides.map(({ title, of, isGiven }) => (
        <div key={title}>
          <h3>{title}</h3>
          {of.length === 0 && <p class="muted">{t('grantsNone')}</p>}
          <ul class="plain">
            {of.map((form) => {
              const other = isGiven ? String(form.content['granteeOrg']) : form.holder
              return (
                <li key={form.id}>
                  <a href={hrefOf(form)}>{names.get(other) ?? other}</a>{' '}
                  <Status of={form.status}>{t(`status_${form.status}`)}</Status>
                </li>
              )
            })}
          </ul>
        </div>
      ))}
    </section>
  )
}
