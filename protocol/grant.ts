import { z } from 'zod'
import { DocumentReference } from './credential.ts'
import { Kid, OrganizationUrn, REGISTRY, Seconds, Sha256, Ulid, UserId } from './ids.ts'

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
