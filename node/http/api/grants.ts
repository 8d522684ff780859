import { z } from 'zod'
import type { AuditEntry } from '#protocol/audit-event.ts'
import type { GrantFacts } from '#protocol/authorize.ts'
import { GrantScope, Operation } from '#protocol/grant.ts'
import { OrganizationOid, oidOf, Ulid, UserId } from '#protocol/ids.ts'
import type { AuditLog } from '../../access/audit-log.ts'
import type { Federation } from '../../access/federation.ts'
import { GrantInput } from '../../access/grants.ts'
import type { SessionUser } from '../../access/session-user.ts'
import { defineRoute, type Route } from '../routes.ts'

export type Grants = Pick<
  Federation,
  'createGrant' | 'revokeGrant' | 'heldGrants' | 'receivedGrants'
>

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

export function grantRoutes(deps: {
  federation: Grants
  audit: Pick<AuditLog, 'append'>
}): Route[] {
  const { federation, audit } = deps
  const jti = z.strictObject({ jti: Ulid })
  return [
    defineRoute({
      method: 'get',
      path: '/api/grants',
      summary: 'Access that this organization has given and received',
      access: ['mo_admin', 'head_of_mo'],
      answer: z.strictObject({ given: z.array(GrantRow), received: z.array(GrantRow) }),
      async handle() {
        return {
          given: federation.heldGrants().map(rowOf),
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
