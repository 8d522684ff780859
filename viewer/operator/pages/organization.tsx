import {
  allDevices,
  allForms,
  allRestrictions,
  type AccountView,
  type Federation,
  type Form,
  get,
  type Organization,
  organizationNames,
  sideOf,
} from '../api.ts'
import { fingerprintDigits } from '#protocol/fingerprint.ts'
import type { Kid } from '#protocol/ids.ts'
import { useLoad, useSession, useTexts } from '../desk.ts'
import { Loading, Status } from '../parts/act.tsx'
import { Conditions } from '../parts/conditions.tsx'
import { Devices } from '../parts/devices.tsx'
import { Enrolment } from '../parts/enrolment.tsx'
import { NodeState } from '../parts/node-state.tsx'
import { Persons } from '../parts/persons.tsx'
import { Restrictions } from '../parts/restrictions.tsx'
import { hrefOf } from './inbox.tsx'

async function loadCard(oid: string, isOperator: boolean) {
  const [organization, names, devices, forms, restrictions] = await Promise.all([
    get<Organization>(`/api/organizations/${oid}`),
    organizationNames(),
    allDevices(),
    allForms(),
    allRestrictions(),
  ])
  // Keys and accounts are the operator's to see.
  const [federation, accounts] = isOperator
    ? await Promise.all([
        get<Federation>('/api/federation'),
        get<{ accounts: AccountView[] }>('/api/accounts'),
      ])
    : []
  return {
    organization,
    names: new Map(names.map(({ oid, name }) => [oid, name])),
    devices: devices.filter(({ organization }) => organization === oid),
    forms,
    restrictions: restrictions.filter(({ organization }) => organization === oid),
    member: federation?.members.find(({ organization }) => organization === oid),
    accounts: accounts?.accounts.filter(({ organization }) => organization === oid) ?? [],
  }
}

/** An organization's card: what it lacks, who answers, what it sends with, whom it lets in, what is limited. */
export function OrganizationPage({ oid = '' }: { oid?: string }) {
  const { t } = useTexts()
  const isOperator = sideOf(useSession()) === 'operator'
  const data = useLoad(() => loadCard(oid, isOperator), [oid])
  return (
    <Loading of={data}>
      {({ organization, names, devices, forms, restrictions, member, accounts }) => (
        <div class="page scrolls">
          <div class="page-head">
            {isOperator && (
              <a href="/organizations" class="button quiet">
                ← {t('organizations')}
              </a>
            )}
            <h1>{organization.card.fullName}</h1>
            <Status of={organization.state}>{t(`state_${organization.state}`)}</Status>
            <span class="muted">{oid}</span>
          </div>
          <div class="columns even">
            <div class="stack">
              <Conditions organization={organization} mayAttest={isOperator} onDone={data.reload} />
              <Persons organization={organization} accounts={accounts} onDone={data.reload} />
            </div>
            <div class="stack">
              <Restrictions oid={oid} restrictions={restrictions} mayPropose={isOperator} />
              <section class="card">
                <h3>{t('node')}</h3>
                {isOperator && (
                  <p>
                    <NodeState member={member} />
                  </p>
                )}
                {member !== undefined && <Fingerprint member={member} />}
                <Enrolment oid={oid} name={organization.card.fullName} isOperator={isOperator} />
              </section>
              <Devices devices={devices} onDone={data.reload} />
              <Access oid={oid} forms={forms} names={names} />
            </div>
          </div>
        </div>
      )}
    </Loading>
  )
}

function Fingerprint({ member }: { member: Federation['members'][number] }) {
  const { t, day } = useTexts()
  return (
    <dl class="facts">
      <dt>{t('fingerprint')}</dt>
      <dd>
        <code>{member.kid}</code>
      </dd>
      <dt>{t('digits')}</dt>
      <dd>
        <code data-testid="digits">{fingerprintDigits(member.kid as Kid)}</code>
      </dd>
      <dt>{t('possession')}</dt>
      <dd>{t(`possession_${member.proof}`)}</dd>
      <dt>{t('keyUntil')}</dt>
      <dd>{day(member.expiresAt)}</dd>
    </dl>
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
