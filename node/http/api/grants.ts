import { z } from 'zod'
import type { EpochFacts, GrantFacts } from '#protocol/authorize.ts'
import { GrantedUser, GrantScope, Operation } from '#protocol/grant.ts'
import { OrganizationOid, oidOf, Ulid, UserId } from '#protocol/ids.ts'
import type { AuditEntry } from '#protocol/audit-event.ts'
import type { AuditLog } from '../../access/audit-log.ts'
import type { SessionUser } from '../../access/session-user.ts'
import { defineRoute, type Route } from '../routes.ts'

/** Form № 5 as the holder's administrator fills it in. */
export const GrantInput = z.strictObject({
  grantee: OrganizationOid,
  users: z
    .array(GrantedUser.omit({ row: true, pii: true }))
    .min(1)
    .max(100),
  scope: GrantScope,
  act: z.array(Operation).min(1).max(4),
  /** Until it ends; the form itself has no end, so it is re-confirmed yearly. */
  days: z.int().min(1).max(366).default(365),
})
export type GrantInput = z.infer<typeof GrantInput>

/** What the administrator may do with grants; the federation link does it. */
export type Grants = {
  createGrant(input: GrantInput): Promise<{ jti: string }>
  revokeGrant(jti: string): Promise<unknown>
  heldGrant(jti: string): GrantFacts | undefined
  receivedGrants(): readonly { facts: GrantFacts; active: boolean }[]
  epochFacts(): EpochFacts | undefined
}

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
        const received = federation.receivedGrants()
        return {
          given: givenGrants(federation),
          received: received.map(({ facts, active }) => rowOf(facts, active)),
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
        const created = await federation.createGrant(body)
        await audit.append(entryOf('grant-requested', user, created.jti))
        return { jti: created.jti }
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

function givenGrants(federation: Grants): z.infer<typeof GrantRow>[] {
  const rows = federation.epochFacts()?.grants ?? new Map<string, { active: boolean }>()
  return [...rows].flatMap(([jti, { active }]) => {
    const facts = federation.heldGrant(jti)
    return facts === undefined ? [] : [rowOf(facts, active)]
  })
}

function rowOf({ grant, request }: GrantFacts, active: boolean): z.infer<typeof GrantRow> {
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
    active,
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
