import { z } from 'zod'
import { credentialKind } from '#protocol/credential.ts'
import { grantKind, grantRequestKind, GrantScope, Operation } from '#protocol/grant.ts'
import { Kid, OrganizationOid, PeerIdString, Seconds, Ulid, UserId } from '#protocol/ids.ts'
import { decodeToken } from '#protocol/jws.ts'
import { thumbprint } from '#protocol/keys.ts'
import { LogTrust, Policy } from '#protocol/trust-list.ts'
import type { Credentials } from '../../credentials.ts'
import type { Directory } from '../../directory.ts'
import type { GrantRow } from '../../grant-rows.ts'
import type { Grants } from '../../grants.ts'
import type { Trust } from '../../trust.ts'
import type { Withdrawals } from '../../withdrawals.ts'
import { defineRoute, operatorRoles, type Route } from '../routes.ts'

const Federation = z.strictObject({
  trust: z.strictObject({
    version: z.int(),
    issuedAt: Seconds,
    expiresAt: Seconds,
    authority: Kid,
    registry: Kid,
    issuers: z.array(z.strictObject({ kid: Kid, notBefore: Seconds, expiresAt: Seconds })),
    policy: Policy,
    log: LogTrust.exactOptional(),
  }),
  /** By their newest credentials. */
  members: z.array(
    z.strictObject({
      organization: OrganizationOid,
      name: z.string(),
      kid: Kid,
      peerId: PeerIdString,
      issuedAt: Seconds,
      /** Milliseconds. */
      expiresAt: z.int(),
      isOnline: z.boolean(),
      isSuspended: z.boolean(),
      isRevoked: z.boolean(),
      /** How its credential says that the organization has the key. */
      proof: z.enum(['proven', 'previous', 'file']),
    }),
  ),
})

const GrantView = z.strictObject({
  jti: Ulid,
  version: z.int(),
  holder: OrganizationOid,
  grantee: OrganizationOid,
  isActive: z.boolean(),
  /** Milliseconds. */
  notBefore: z.int(),
  expiresAt: z.int(),
  scope: GrantScope,
  operations: z.array(Operation),
  users: z.array(z.strictObject({ uid: UserId, position: z.string() })),
  /** Number of the form № 5 that it names as its ground. */
  form5: z.string().exactOptional(),
})

export type FederationDeps = {
  trust: Pick<Trust, 'list'>
  credentials: Pick<Credentials, 'all'>
  directory: Pick<Directory, 'isOnline'>
  withdrawals: Pick<Withdrawals, 'kids' | 'isSuspended'>
  grants: Pick<Grants, 'received'>
}

/** Who is in the federation, by which keys, and who may see whose studies. */
export function federationRoutes(deps: FederationDeps): Route[] {
  return [
    defineRoute({
      method: 'get',
      path: '/api/federation',
      summary: 'The trust list in force and the members’ keys',
      access: operatorRoles,
      answer: Federation,
      handle: () => federationOf(deps),
    }),
    defineRoute({
      method: 'get',
      path: '/api/federation/grants',
      summary: 'Grants that have not run out, those that were ended included',
      access: operatorRoles,
      answer: z.strictObject({ grants: z.array(GrantView) }),
      async handle() {
        const { credentials, grants } = deps
        const rows = await Promise.all(credentials.all().map(({ oid }) => grants.received(oid)))
        return { grants: rows.flat().map(show) }
      },
    }),
  ]
}

async function federationOf(deps: FederationDeps): Promise<z.infer<typeof Federation>> {
  const { trust, credentials, directory, withdrawals } = deps
  const { ver, iat, exp, authority, registry, issuers, policy, log } = trust.list()
  const revoked = new Set<string>(withdrawals.kids())
  return {
    trust: {
      version: ver,
      issuedAt: iat,
      expiresAt: exp,
      authority: await thumbprint(authority.jwk),
      registry: await thumbprint(registry.jwk),
      issuers: issuers.map(({ kid, nbf, exp }) => ({ kid, notBefore: nbf, expiresAt: exp })),
      policy,
      ...(log !== undefined && { log }),
    },
    members: credentials.all().map(({ oid, name, kid, peer, credential, issuedAt, expiresAt }) => ({
      organization: oid,
      name,
      kid,
      peerId: peer,
      issuedAt,
      expiresAt,
      isOnline: directory.isOnline(oid),
      isSuspended: withdrawals.isSuspended(oid),
      isRevoked: revoked.has(kid),
      proof: proofOf(credential),
    })),
  }
}

/** A credential that is published has been verified, and its proof with it. */
function proofOf(credential: string): 'proven' | 'previous' | 'file' {
  const { pop, prev_kid } = decodeToken(credential, credentialKind).claims
  if (pop !== undefined) return 'proven'
  return prev_kid === undefined ? 'file' : 'previous'
}

/** The registry has countersigned these tokens itself, so they are read and not verified again. */
function show(row: GrantRow): z.infer<typeof GrantView> {
  const { jti, ver, holder, grantee, active, notBefore, expiresAt, scope, act, token } = row
  const { users, form5 } = decodeToken(
    decodeToken(token, grantKind).claims.req,
    grantRequestKind,
  ).claims
  return {
    jti,
    version: ver,
    holder,
    grantee,
    isActive: active,
    notBefore,
    expiresAt,
    scope,
    operations: act,
    users: users.map(({ uid, pos }) => ({ uid, position: pos })),
    ...(form5 !== undefined && { form5: form5.no }),
  }
}
