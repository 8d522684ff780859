import { z } from 'zod'
import { FullName } from '#protocol/fields/full-name.ts'
import { Kid, OrganizationOid, Ulid, UserId } from '#protocol/ids.ts'
import { organizationStates } from '#protocol/organization.ts'
import { AccountRole, NewAccount } from '../../accounts.ts'
import type { Account, Accounts } from '../../accounts.ts'
import { AuditRecord } from '../../audit.ts'
import type { Audit } from '../../audit.ts'
import type { Devices } from '../../devices.ts'
import type { Operator } from '../../operator.ts'
import type { Organizations } from '../../organizations.ts'
import type { Restrictions } from '../../restrictions.ts'
import { isInForce } from '#protocol/restriction.ts'
import type { Sessions, SessionUser } from '../../sessions.ts'
import { defineRoute, operatorRoles, type Route } from '../routes.ts'
import { ById } from './forms.ts'

const AccountView = z.strictObject({
  id: Ulid,
  login: z.string(),
  name: FullName,
  position: z.string(),
  roles: z.array(AccountRole),
  organization: OrganizationOid.exactOptional(),
  enabled: z.boolean(),
  activated: z.boolean(),
})

const Activation = z.strictObject({ login: z.string(), secret: z.string(), expiresAt: z.int() })

function show({ id, login, name, position, roles, organization, enabled, ...rest }: Account) {
  const activated = rest.passwordHash !== undefined
  const whose = organization === undefined ? {} : { organization }
  return { id, login, name, position, roles, ...whose, enabled, activated }
}

type Deps = {
  accounts: Accounts
  sessions: Sessions
  audit: Audit
  operator: Operator
  organizations: Organizations
  devices: Devices
  restrictions: Restrictions
}

/** The registry's own people, its audit, and the operator's acts on the federation. */
export const administrationRoutes = (deps: Deps): Route[] => [
  ...accountRoutes(deps),
  ...federationRoutes(deps),
  ...auditRoutes(deps),
  reportRoute(deps),
]

type Note = (user: SessionUser, action: string, subject: string) => Promise<void>

const createNote =
  (audit: Audit): Note =>
  ({ account, address }, action, subject) =>
    audit.append({
      actor: account.id,
      role: account.roles[0] ?? '',
      source: address,
      action,
      subject,
      outcome: 'success',
    })

function accountRoutes({ accounts, sessions, audit }: Deps): Route[] {
  const note = createNote(audit)
  return [
    defineRoute({
      method: 'get',
      path: '/api/accounts',
      summary: 'Accounts at the registry',
      access: operatorRoles,
      answer: z.strictObject({ accounts: z.array(AccountView) }),
      handle: async () => ({ accounts: accounts.all().map(show) }),
    }),
    defineRoute({
      method: 'post',
      path: '/api/accounts',
      summary: 'A new account; the person sets the password with the secret of the activation link',
      access: ['cami_admin'],
      body: NewAccount,
      answer: Activation,
      async handle({ body, user }) {
        const account = await accounts.create(body)
        await note(user, 'account.create', account.login)
        return { login: account.login, ...(await accounts.invite(account.id)) }
      },
    }),
    defineRoute({
      method: 'post',
      path: '/api/accounts/:id/activation',
      summary: 'A new activation link; an earlier one stops working',
      access: operatorRoles,
      params: ById,
      answer: Activation,
      async handle({ params, user }) {
        const invitation = await accounts.invite(params.id)
        const login = accounts.get(params.id)?.login ?? ''
        await note(user, 'account.invite', login)
        return { login, ...invitation }
      },
    }),
    defineRoute({
      method: 'post',
      path: '/api/accounts/:id/state',
      summary: 'Switch an account off, with all its sessions, or on',
      access: ['cami_admin'],
      params: ById,
      body: z.strictObject({ enabled: z.boolean() }),
      answer: AccountView,
      async handle({ params, body, user }) {
        const account = await accounts.setEnabled(params.id, body.enabled)
        if (!body.enabled) await sessions.endAll(account.id)
        await note(user, body.enabled ? 'account.enable' : 'account.disable', account.login)
        return show(account)
      },
    }),
  ]
}

function federationRoutes({ operator, audit }: Deps): Route[] {
  const note = createNote(audit)
  return [
    defineRoute({
      method: 'post',
      path: '/api/federation/credentials',
      summary: 'Publish a credential that the issuing ceremony has made',
      access: operatorRoles,
      body: z.strictObject({
        credential: z.string().max(16 * 1024),
        rekey: z
          .string()
          .max(4 * 1024)
          .exactOptional(),
      }),
      async handle({ body, user }) {
        await operator.publishCredential(body.credential, body.rekey)
        await note(user, 'credential.publish', '')
      },
    }),
    defineRoute({
      method: 'post',
      path: '/api/federation/trust-list',
      summary: 'Publish a trust list that the authority has signed',
      access: ['cami_admin'],
      body: z.strictObject({ trustList: z.string().max(64 * 1024) }),
      async handle({ body, user }) {
        await operator.publishTrustList(body.trustList)
        await note(user, 'trust-list.publish', '')
      },
    }),
    defineRoute({
      method: 'post',
      path: '/api/federation/keys/:kid/revoke',
      summary: 'Revoke a node’s key',
      access: ['cami_admin'],
      params: z.strictObject({ kid: Kid }),
      async handle({ params, user }) {
        await operator.revokeKey(params.kid)
        await note(user, 'key.revoke', params.kid)
      },
    }),
    defineRoute({
      method: 'post',
      path: '/api/federation/users/disable',
      summary: 'Switch a user of some organization off in the whole federation',
      access: operatorRoles,
      body: z.strictObject({ user: UserId }),
      async handle({ body, user }) {
        await operator.disableUser(body.user)
        await note(user, 'user.disable', body.user)
      },
    }),
    defineRoute({
      method: 'post',
      path: '/api/federation/grants/:jti/revoke',
      summary: 'End a grant',
      access: operatorRoles,
      params: z.strictObject({ jti: Ulid }),
      async handle({ params, user }) {
        await operator.revokeGrant(params.jti)
        await note(user, 'grant.revoke', params.jti)
      },
    }),
  ]
}

function auditRoutes({ audit }: Deps): Route[] {
  return [
    defineRoute({
      method: 'get',
      path: '/api/audit',
      summary: 'Who did what, oldest first; reading it is itself recorded',
      access: ['cami_admin'],
      query: z.strictObject({
        after: z.coerce.number().int().min(0).default(0),
        limit: z.coerce.number().int().min(1).max(1000).default(100),
      }),
      answer: z.strictObject({ records: z.array(AuditRecord) }),
      async handle({ query, user }) {
        await createNote(audit)(user, 'audit.read', '')
        return { records: await audit.list(query) }
      },
    }),
    defineRoute({
      method: 'get',
      path: '/api/audit/check',
      summary: 'Whether every record is the one that was written; `at` names the first that is not',
      access: ['cami_admin'],
      answer: z.union([
        z.strictObject({ ok: z.literal(true), count: z.int() }),
        z.strictObject({ ok: z.literal(false), at: z.int() }),
      ]),
      handle: async () => await audit.verify(),
    }),
  ]
}

/** Numbers only: for the Ministry's observer too (O-5). */
function reportRoute({ organizations, devices, restrictions }: Deps): Route {
  return defineRoute({
    method: 'get',
    path: '/api/report',
    summary: 'The region in numbers, without a name',
    access: [...operatorRoles, 'ministry_observer'],
    answer: z.strictObject({
      organizations: z.record(z.enum(organizationStates), z.int()),
      devices: z.strictObject({ total: z.int(), broadcasting: z.int() }),
      restrictions: z.int(),
    }),
    async handle() {
      const states = (await organizations.all()).map(({ state }) => state)
      const counts = organizationStates.map((state) => [
        state,
        states.filter((one) => one === state).length,
      ])
      const inService = (await devices.all()).filter(({ status }) => status !== 'decommissioned')
      return {
        organizations: Object.fromEntries(counts) as Record<
          (typeof organizationStates)[number],
          number
        >,
        devices: {
          total: inService.length,
          broadcasting: inService.filter(({ status }) => status === 'broadcasting').length,
        },
        restrictions: (await restrictions.all()).filter(isInForce).length,
      }
    },
  })
}
