import { z } from 'zod'
import type { AuditEntry } from '#protocol/audit-event.ts'
import { Ulid, UserId } from '#protocol/ids.ts'
import { NewAccount, type Account, type Accounts } from '../../access/accounts.ts'
import type { AuditLog } from '../../access/audit-log.ts'
import type { SecondFactors } from '../../access/second-factors.ts'
import type { SessionUser } from '../../access/session-user.ts'
import type { Sessions } from '../../access/sessions.ts'
import { defineRoute, type Route } from '../routes.ts'

/** A person as the administrator sees her; `id` is what other organizations' grants name. */
const UserRow = z.strictObject({
  id: UserId,
  account: Ulid,
  login: z.string(),
  name: z.string(),
  position: z.string(),
  department: z.string(),
  roles: z.array(z.string()),
  enabled: z.boolean(),
  hasSecondFactor: z.boolean(),
})

const Password = z.string().min(1).max(1024)
const AccountPath = z.strictObject({ account: Ulid })

type Deps = {
  accounts: Pick<
    Accounts,
    'create' | 'disable' | 'enable' | 'get' | 'list' | 'setPassword' | 'userId'
  >
  sessions: Pick<Sessions, 'endAll' | 'confirm'>
  factors: Pick<SecondFactors, 'has'>
  audit: Pick<AuditLog, 'append'>
}

/** The people of this organization. Nobody is ever deleted: the audit goes on naming them. */
export function accountRoutes({ accounts, sessions, factors, audit }: Deps): Route[] {
  const rowOf = (account: Account): z.infer<typeof UserRow> => ({
    id: accounts.userId(account),
    account: account.id,
    login: account.login,
    name: account.name,
    position: account.position,
    department: account.department,
    roles: [...account.roles],
    enabled: account.enabled,
    hasSecondFactor: factors.has(account.id),
  })
  const note = (user: SessionUser, detail: string) => audit.append(entryOf(user, detail))
  const change = (path: `/api/accounts/:account/${'enable' | 'disable'}`, summary: string) =>
    defineRoute({
      method: 'post',
      path,
      summary,
      access: ['mo_admin'],
      params: AccountPath,
      async handle({ params, user }) {
        const isDisabling = path.endsWith('disable')
        await (isDisabling ? accounts.disable(params.account) : accounts.enable(params.account))
        await note(user, `${isDisabling ? 'disabled' : 'enabled'} account ${params.account}`)
        const account = accounts.get(params.account)
        if (isDisabling && account !== undefined) await sessions.endAll(account)
      },
    })
  return [
    defineRoute({
      method: 'get',
      path: '/api/accounts/users',
      summary: "People of this organization, with the ids that other organizations' grants name",
      access: ['mo_admin'],
      answer: z.strictObject({ users: z.array(UserRow) }),
      handle: async () => ({ users: accounts.list().map(rowOf) }),
    }),
    defineRoute({
      method: 'post',
      path: '/api/accounts/users',
      summary: 'Make an account',
      access: ['mo_admin'],
      body: NewAccount.omit({ id: true }),
      answer: UserRow,
      async handle({ body, user }) {
        const account = await accounts.create(body)
        await note(user, `created account ${account.id} as ${account.roles.join(' ')}`)
        return rowOf(account)
      },
    }),
    change('/api/accounts/:account/disable', 'End all sessions of a person and take no new ones'),
    change('/api/accounts/:account/enable', 'Let a person sign in again'),
    dismissalRoute({ accounts, sessions, note }),
    ...passwordRoutes({ accounts, sessions, note }),
  ]
}

type Parts = Pick<Deps, 'accounts' | 'sessions'> & {
  note: (user: SessionUser, detail: string) => Promise<unknown>
}

/** Somebody has left: at once, and with the document that says so. */
const dismissalRoute = ({ accounts, sessions, note }: Parts): Route =>
  defineRoute({
    method: 'post',
    path: '/api/accounts/:account/dismissal',
    summary: 'Switch off the account of somebody who has left; her sessions end at once',
    access: ['mo_admin'],
    params: AccountPath,
    body: z.strictObject({ basis: z.string().trim().min(3).max(150) }),
    async handle({ params, body, user }) {
      await accounts.disable(params.account)
      await note(user, `dismissed account ${params.account}: ${body.basis}`)
      const account = accounts.get(params.account)
      if (account !== undefined) await sessions.endAll(account)
    },
  })

function passwordRoutes(deps: Parts): Route[] {
  const { accounts, sessions, note } = deps
  return [
    defineRoute({
      method: 'post',
      path: '/api/accounts/:account/password',
      summary: 'Give a person a new password; her sessions end',
      access: ['mo_admin'],
      params: AccountPath,
      body: z.strictObject({ password: Password }),
      async handle({ params, body, user }) {
        await accounts.setPassword(params.account, body.password)
        await note(user, `new password for account ${params.account}`)
      },
    }),
    defineRoute({
      method: 'post',
      path: '/api/session/password',
      summary: 'Change one’s own password; all sessions end',
      access: 'signed-in',
      body: z.strictObject({ current: Password, password: Password }),
      async handle({ body, user }) {
        const account = await sessions.confirm(user, body.current)
        await accounts.setPassword(account.id, body.password)
        await note(user, `new password for account ${account.id}`)
      },
    }),
  ]
}

function entryOf(user: SessionUser, detail: string): AuditEntry {
  return {
    event: 'configuration',
    outcome: 'success',
    organization: user.organization,
    user: user.uid,
    role: user.roles[0] ?? '',
    source: user.address,
    holder: user.organization,
    detail,
  }
}
