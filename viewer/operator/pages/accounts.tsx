import { useState } from 'preact/hooks'
import { printName } from '#protocol/fields/full-name.ts'
import {
  type AccountView,
  type Activation,
  get,
  type NamedOrganization,
  organizationNames,
  post,
} from '../api.ts'
import { useLoad, useSession, useTexts } from '../desk.ts'
import { DecisionDialog, Failure, Input, Loading, Select, Status, useAct } from '../parts/act.tsx'
import { Links } from '../parts/links.tsx'

const centralRoles = ['cami_operator', 'cami_admin', 'ministry_observer'] as const
const ownRoles = ['mo_admin', 'head_of_mo', 'consult_organizer'] as const
type Role = (typeof centralRoles)[number] | (typeof ownRoles)[number]

/** Who can sign in at the registry: the operator's people, and the organizations'. */
export function AccountsPage() {
  const { t } = useTexts()
  const { roles } = useSession()
  const isAdmin = roles.includes('cami_admin')
  const [isAdding, setAdding] = useState(false)
  const [links, setLinks] = useState<Activation[]>([])
  const data = useLoad(async () => {
    const [{ accounts }, organizations] = await Promise.all([
      get<{ accounts: AccountView[] }>('/api/accounts'),
      organizationNames(),
    ])
    return { accounts, organizations }
  }, [])
  return (
    <Loading of={data}>
      {({ accounts, organizations }) => (
        <div class="page scrolls">
          <div class="page-head">
            <h1>{t('accounts')}</h1>
            <span class="muted">{t('accountsHint')}</span>
            <button
              type="button"
              class="button primary end"
              data-testid="account-add"
              disabled={!isAdmin}
              title={isAdmin ? undefined : t('errorRole')}
              onClick={() => setAdding(true)}
            >
              {t('accountAdd')}
            </button>
          </div>
          {links.length > 0 && <Links links={links} onClose={() => setLinks([])} />}
          <AccountTable
            accounts={accounts}
            names={new Map(organizations.map(({ oid, name }) => [oid, name]))}
            isAdmin={isAdmin}
            onLink={(link) => setLinks([link])}
            onDone={data.reload}
          />
          {isAdding && (
            <NewAccount
              organizations={organizations}
              onClose={() => setAdding(false)}
              onMade={async (link) => {
                setLinks([link])
                await data.reload()
              }}
            />
          )}
        </div>
      )}
    </Loading>
  )
}

type TableProps = {
  accounts: AccountView[]
  names: Map<string, string>
  isAdmin: boolean
  onLink: (link: Activation) => void
  onDone: () => Promise<void>
}

function AccountTable({ accounts, names, isAdmin, onLink, onDone }: TableProps) {
  const { t } = useTexts()
  const act = useAct()
  const [chosen, setChosen] = useState<AccountView | undefined>(undefined)
  const invite = ({ id, name }: AccountView) =>
    act.run(async () => {
      const link = await post<Activation>(`/api/accounts/${id}/activation`)
      onLink({ ...link, name: printName(name) })
    })
  return (
    <div class="table-area">
      <Failure error={act.error} />
      <table class="rows plain-rows">
        <thead>
          <tr>
            <th>{t('column_person')}</th>
            <th>{t('login')}</th>
            <th>{t('column_roles')}</th>
            <th>{t('column_organization')}</th>
            <th>{t('column_state')}</th>
            <th />
          </tr>
        </thead>
        <tbody data-testid="accounts">
          {accounts.map((account) => (
            <AccountRow
              key={account.id}
              account={account}
              organization={names.get(account.organization ?? '') ?? account.organization}
              isAdmin={isAdmin}
              isBusy={act.isBusy}
              onInvite={() => void invite(account)}
              onSwitch={() => setChosen(account)}
            />
          ))}
        </tbody>
      </table>
      {chosen !== undefined && (
        <Switch account={chosen} onDone={onDone} onClose={() => setChosen(undefined)} />
      )}
    </div>
  )
}

type RowProps = {
  account: AccountView
  organization: string | undefined
  isAdmin: boolean
  isBusy: boolean
  onInvite: () => void
  onSwitch: () => void
}

function AccountRow({ account, organization, isAdmin, isBusy, onInvite, onSwitch }: RowProps) {
  const { t } = useTexts()
  return (
    <tr>
      <td>
        {printName(account.name)}
        <small>{account.position}</small>
      </td>
      <td>{account.login}</td>
      <td>{account.roles.map((role) => t(`role_${role as Role}`)).join(', ')}</td>
      <td>{organization ?? '—'}</td>
      <td>
        <AccountState account={account} />
      </td>
      <td>
        <span class="actions">
          {account.enabled && (
            <button type="button" class="button small" disabled={isBusy} onClick={onInvite}>
              {t('newLink')}
            </button>
          )}
          <button
            type="button"
            class={account.enabled ? 'button small danger-quiet' : 'button small'}
            disabled={!isAdmin}
            title={isAdmin ? undefined : t('errorRole')}
            onClick={onSwitch}
          >
            {t(account.enabled ? 'accountOff' : 'accountOn')}
          </button>
        </span>
      </td>
    </tr>
  )
}

function AccountState({ account }: { account: AccountView }) {
  const { t } = useTexts()
  if (!account.enabled) return <Status of="revoked">{t('accountIsOff')}</Status>
  return account.activated ? (
    <Status of="effective">{t('accountActive')}</Status>
  ) : (
    <Status of="submitted">{t('accountInvited')}</Status>
  )
}

type SwitchProps = { account: AccountView; onDone: () => Promise<void>; onClose: () => void }

function Switch({ account, onDone, onClose }: SwitchProps) {
  const { t } = useTexts()
  const label = t(account.enabled ? 'accountOff' : 'accountOn')
  return (
    <DecisionDialog
      title={`${label}: ${printName(account.name)}`}
      confirm={label}
      isDanger={account.enabled}
      onClose={onClose}
      onConfirm={async () => {
        await post(`/api/accounts/${account.id}/state`, { enabled: !account.enabled })
        await onDone()
      }}
    >
      <section class="preview" data-testid="preview">
        <h3>{t('consequences')}</h3>
        <p>{t(account.enabled ? 'accountOffText' : 'accountOnText')}</p>
      </section>
    </DecisionDialog>
  )
}

type NewProps = {
  organizations: NamedOrganization[]
  onClose: () => void
  onMade: (link: Activation) => Promise<void>
}

function NewAccount({ organizations, onClose, onMade }: NewProps) {
  const { t } = useTexts()
  const [given, setGiven] = useState({
    name: '',
    position: '',
    email: '',
    phone: '',
    role: 'head_of_mo',
    organization: '',
  })
  const set = (name: keyof typeof given) => (value: string) => setGiven({ ...given, [name]: value })
  const isOwn = (ownRoles as readonly string[]).includes(given.role)
  const make = async () => {
    const { role, organization, ...person } = given
    const body = { ...person, roles: [role], ...(isOwn && { organization }) }
    await onMade({ ...(await post<Activation>('/api/accounts', body)), name: given.name })
  }
  return (
    <DecisionDialog
      title={t('accountAdd')}
      confirm={t('accountAdd')}
      isDisabled={isOwn && given.organization === ''}
      onClose={onClose}
      onConfirm={make}
    >
      <div class="pair">
        <Select
          name="role"
          label={t('column_roles')}
          value={given.role}
          options={Object.fromEntries(
            [...ownRoles, ...centralRoles].map((role) => [role, t(`role_${role}`)]),
          )}
          onInput={set('role')}
        />
        {isOwn && (
          <Select
            name="organization"
            label={t('column_organization')}
            value={given.organization}
            options={{
              '': t('chooseOne'),
              ...Object.fromEntries(organizations.map(({ oid, name }) => [oid, name])),
            }}
            onInput={set('organization')}
          />
        )}
        <Input name="name" label={t('personName')} value={given.name} onInput={set('name')} />
        <Input
          name="position"
          label={t('column_position')}
          value={given.position}
          onInput={set('position')}
        />
        <Input name="email" label={t('personEmail')} value={given.email} onInput={set('email')} />
        <Input name="phone" label={t('personPhone')} value={given.phone} onInput={set('phone')} />
      </div>
      <section class="preview" data-testid="preview">
        <h3>{t('consequences')}</h3>
        <p>{t('accountAddText')}</p>
      </section>
    </DecisionDialog>
  )
}
