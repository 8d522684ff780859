import { z } from 'zod'
import { DocumentReference } from './credential.ts'
import { ProtocolError } from './errors.ts'
import {
  Kid,
  OrganizationUrn,
  REGISTRY,
  Seconds,
  Sha256,
  Ulid,
  UserId,
  oidOf,
  organizationOfUser,
} from './ids.ts'
import type { OrganizationOid, PublicJwk } from './ids.ts'
import { verifyToken } from './jws.ts'
import type { TokenKind, Verified } from './jws.ts'
import { tokenLimits } from './limits.ts'
import { checkIssued, checkLifetime } from './times.ts'
import { issuerKey } from './trust-list.ts'
import type { TrustList } from './trust-list.ts'

export const Operation = z.enum(['search', 'view', 'report', 'request_info'])
export type Operation = z.infer<typeof Operation>

export const GrantedUser = z.strictObject({
  row: z.int().min(1).max(1000),
  uid: UserId,
  pos: z.string().max(200),
  dep: z.string().max(200),
  room: z.string().max(50),
  /** Salted commitment to the form's personal data; the data itself never travels in a token. */
  pii: Sha256.exactOptional(),
})
export type GrantedUser = z.infer<typeof GrantedUser>

export const GrantScope = z.strictObject({
  mode: z.enum(['all', 'by_request']),
  /** Device ids of form № 4, or `*`. */
  devices: z.array(z.string().min(1).max(64)).min(1).max(100),
  /** Modalities, or `*`. */
  mod: z.array(z.string().min(1).max(16)).min(1).max(64),
  /** Study dates `YYYYMMDD`, both ends included. */
  from: z
    .string()
    .regex(/^\d{8}$/)
    .nullable(),
  to: z
    .string()
    .regex(/^\d{8}$/)
    .nullable(),
})
export type GrantScope = z.infer<typeof GrantScope>

/** `typ: cami-grant-req+jwt`: form № 5 as the holder's node signs it. Without it no grant exists. */
export const GrantRequest = z.strictObject({
  iss: OrganizationUrn,
  sub: OrganizationUrn,
  /** Keys of the grantee's node that may speak under this grant. */
  sub_kid: z.array(Kid).min(1).max(8),
  aud: z.literal(REGISTRY),
  jti: Ulid,
  ver: z.int().min(1),
  iat: Seconds,
  nbf: Seconds,
  exp: Seconds,
  users: z.array(GrantedUser).min(1).max(100),
  scope: GrantScope,
  act: z.array(Operation).min(1).max(4),
  purp: z.literal('interpretation'),
  form5: DocumentReference.exactOptional(),
})
export type GrantRequest = z.infer<typeof GrantRequest>

/** `typ: cami-grant+jwt`: the registry's countersignature around the holder's request. */
export const Grant = z.strictObject({
  iss: z.literal(REGISTRY),
  sub: OrganizationUrn,
  holder: OrganizationUrn,
  aud: OrganizationUrn,
  jti: Ulid,
  ver: z.int().min(1),
  iat: Seconds,
  nbf: Seconds,
  exp: Seconds,
  /** The compact `cami-grant-req+jwt`. */
  req: z.string().min(1),
  st: z.enum(['active', 'revoked']),
})
export type Grant = z.infer<typeof Grant>

export const grantRequestKind: TokenKind<GrantRequest> = {
  typ: 'cami-grant-req+jwt',
  schema: GrantRequest,
  maxBytes: tokenLimits.grantRequestBytes,
}
export const grantKind: TokenKind<Grant> = {
  typ: 'cami-grant+jwt',
  schema: Grant,
  maxBytes: tokenLimits.grantBytes,
}

/** Answers with the key only if this organization may sign with it: a key of somebody else must not speak for a holder. */
export type HolderKeyOf = (kid: Kid, holder: OrganizationOid) => PublicJwk | undefined

/** Checks form № 5 as its holder signed it. */
export async function verifyGrantRequest(
  token: string,
  { keyOf, now }: { keyOf: HolderKeyOf; now?: number },
): Promise<Verified<GrantRequest>> {
  const verified = await verifyToken(token, grantRequestKind, (kid, { iss }) =>
    keyOf(kid, oidOf(iss)),
  )
  const { claims } = verified
  if (now !== undefined) checkIssued(claims, now)
  checkLifetime(claims, tokenLimits.grantLifetimeSeconds)
  if (claims.iss === claims.sub) {
    throw new ProtocolError('token_malformed', 'a grant to oneself')
  }
  const grantee = oidOf(claims.sub)
  const users = claims.users.map(({ uid }) => uid)
  if (users.some((uid) => organizationOfUser(uid) !== grantee)) {
    throw new ProtocolError('token_malformed', 'a user of another organization than the grantee')
  }
  const isUnique =
    new Set(users).size === users.length && new Set(claims.act).size === claims.act.length
  if (!isUnique) throw new ProtocolError('token_malformed', 'a user or operation named twice')
  return verified
}

/** A grant with both signatures checked: the registry's around it and the holder's inside it. */
export type GrantFacts = { grant: Verified<Grant>; request: Verified<GrantRequest> }

/**
 * Checks a grant. Whether it is in force (active, not expired, unchanged since the epoch) is the decision's question,
 * so that an ended grant can still be kept and shown.
 */
export async function verifyGrant(
  token: string,
  { trust, now, holderKeyOf }: { trust: TrustList; now: number; holderKeyOf: HolderKeyOf },
): Promise<GrantFacts> {
  const grant = await verifyToken(token, grantKind, issuerKey(trust, now))
  const { claims } = grant
  checkIssued(claims, now)
  checkLifetime(claims, tokenLimits.grantLifetimeSeconds)
  const request = await verifyGrantRequest(claims.req, { keyOf: holderKeyOf, now })
  if (!agrees(claims, request.claims)) {
    throw new ProtocolError('grant_mismatch', 'the registration says otherwise than the request')
  }
  return { grant, request }
}

/** The registry repeats the holder's words; the only thing that it may add is an earlier end or a later beginning. */
function agrees(grant: Grant, request: GrantRequest): boolean {
  return (
    grant.holder === request.iss &&
    grant.aud === request.iss &&
    grant.sub === request.sub &&
    grant.jti === request.jti &&
    grant.ver === request.ver &&
    grant.nbf >= request.nbf &&
    grant.exp <= request.exp
  )
}

/** Objects beside images that follow the modality they describe. */
const auxiliary: ReadonlySet<string> = new Set(['SR', 'PR', 'KO'])

/**
 * Whether a grant's scope covers a study: every modality in it, its device, its date. What is not known is not covered.
 * `by_request` covers nothing until the holder's doctor can open a consultation for a study.
 */
export function coversStudy(
  scope: GrantScope,
  study: { modalities: readonly string[]; date: string; device: string },
): boolean {
  const { mode, devices, mod, from, to } = scope
  const isAny = mod.includes('*')
  const isModality =
    isAny ||
    (study.modalities.some((modality) => mod.includes(modality)) &&
      study.modalities.every((modality) => mod.includes(modality) || auxiliary.has(modality)))
  const isDevice = devices.includes('*') || devices.includes(study.device)
  const isDate =
    (from === null && to === null) ||
    (/^\d{8}$/.test(study.date) &&
      (from === null || study.date >= from) &&
      (to === null || study.date <= to))
  return mode === 'all' && isModality && isDevice && isDate
}
