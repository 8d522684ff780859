import { z } from 'zod'
import type { AuditEntry } from '#protocol/audit-event.ts'
import type { GrantFacts } from '#protocol/authorize.ts'
import { fingerprintDigits } from '#protocol/fingerprint.ts'
import { GrantScope, Operation } from '#protocol/grant.ts'
import { Kid, OrganizationOid, oidOf, Ulid, UserId } from '#protocol/ids.ts'
import type { AuditLog } from '../../access/audit-log.ts'
import type { Federation } from '../../access/federation.ts'
import { GrantInput } from '../../access/grants.ts'
import type { GrantRenewals } from '../../access/grant-renewals.ts'
import type { Sessions } from '../../access/sessions.ts'
import type { SessionUser } from '../../access/session-user.ts'
import { defineRoute, type Route } from '../routes.ts'

export type Grants = Pick<
  Federation,
  'createGrant' | 'revokeGrant' | 'heldGrants' | 'receivedGrants'
>

/** By which key the grantee must speak, and whether it does; `digits` are to be compared by telephone. */
const GrantKey = z.discriminatedUnion('state', [
  z.strictObject({ state: z.enum(['named', 'revoked']) }),
  z.strictObject({ state: z.literal('changed'), kid: Kid, digits: z.string() }),
])

const GrantRow = z.strictObject({
  jti: Ulid,
  holder: OrganizationOid,
  grantee: OrganizationOid,
  users: z.array(
    z.strictObject({ uid: UserId, pos: z.string(), dep: z.string(), room: z.string() }),
  ),
  scope: GrantScope,
  act: z.array(Operation),
  /** Milliseconds since 1970. */
  from: z.int(),
  until: z.int(),
  active: z.boolean(),
})

export type GrantDeps = {
  federation: Grants
  renewals: GrantRenewals
  sessions: Pick<Sessions, 'confirm'>
  audit: Pick<AuditLog, 'append'>
}

export function grantRoutes(deps: GrantDeps): Route[] {
  const { federation, audit } = deps
  const jti = z.strictObject({ jti: Ulid })
  return [
    defineRoute({
      method: 'get',
      path: '/api/grants',
      summary: 'Access that this organization has given and received',
      access: ['mo_admin', 'head_of_mo'],
      answer: z.strictObject({
        given: z.array(GrantRow.extend({ key: GrantKey })),
        received: z.array(GrantRow),
      }),
      async handle() {
        return {
          given: federation.heldGrants().map((one) => {
            const key = deps.renewals.keyOf(one.facts)
            const digits = 'kid' in key ? { digits: fingerprintDigits(key.kid) } : {}
            return { ...rowOf(one), key: { ...key, ...digits } as z.infer<typeof GrantKey> }
          }),
          received: federation.receivedGrants().map(rowOf),
        }
      },
    }),
    defineRoute({
      method: 'post',
      path: '/api/grants',
      summary: "Give named people of another organization access to this organization's studies",
      access: ['mo_admin'],
      body: GrantInput,
      answer: jti,
      async handle({ body, user }) {
        const { jti } = await federation.createGrant(body)
        await audit.append(entryOf('grant-requested', user, jti))
        return { jti }
      },
    }),
    renewalRoute(deps),
    defineRoute({
      method: 'delete',
      path: '/api/grants/:jti',
      summary: 'Take that access away; it ends here at once',
      access: ['mo_admin'],
      params: jti,
      async handle({ params, user }) {
        await federation.revokeGrant(params.jti)
        await audit.append(entryOf('grant-revoked', user, params.jti))
      },
    }),
  ]
}

/** One confirmation for all grants to an organization; the password says that it is the person who compared the key. */
const renewalRoute = ({ renewals, sessions, audit }: GrantDeps): Route =>
  defineRoute({
    method: 'post',
    path: '/api/grants/renewals',
    summary: 'Sign the grants to an organization again, for the key it was enrolled anew with',
    access: ['mo_admin'],
    body: z.strictObject({
      grantee: OrganizationOid,
      kid: Kid,
      password: z.string().min(1).max(1024),
    }),
    answer: z.strictObject({ jtis: z.array(Ulid) }),
    async handle({ body: { grantee, kid, password }, user }) {
      await sessions.confirm(user, password)
      const { jtis } = await renewals.renew(grantee, kid)
      for (const jti of jtis) await audit.append(entryOf('grant-requested', user, jti))
      return { jtis }
    },
  })

function rowOf(state: { facts: GrantFacts; active: boolean }): z.infer<typeof GrantRow> {
  const { grant, request } = state.facts
  const { jti, holder, sub, nbf, exp } = grant.claims
  const { users, scope, act } = request.claims
  return {
    jti,
    holder: oidOf(holder),
    grantee: oidOf(sub),
    users: users.map(({ uid, pos, dep, room }) => ({ uid, pos, dep, room })),
    scope,
    act,
    from: nbf * 1000,
    until: exp * 1000,
    active: state.active,
  }
}

function entryOf(
  event: 'grant-requested' | 'grant-revoked',
  user: SessionUser,
  grant: string,
): AuditEntry {
  return {
    event,
    outcome: 'success',
    organization: user.organization,
    user: user.uid,
    role: user.roles[0] ?? '',
    source: user.address,
    holder: user.organization,
    grant,
  }
}
