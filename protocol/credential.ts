import { z } from 'zod'
import {
  FEDERATION,
  Kid,
  OrganizationUrn,
  PeerIdString,
  PublicJwk,
  REGISTRY,
  Seconds,
  Sha256,
  Ulid,
} from './ids.ts'

export const DocumentReference = z.strictObject({
  no: z.string().min(1).max(64),
  date: z.iso.date(),
  sha256: Sha256.exactOptional(),
})
export type DocumentReference = z.infer<typeof DocumentReference>

/** `typ: cami-mo+jwt`: which key speaks for an organization; signed by an issuing key of the trust list. */
export const Credential = z.strictObject({
  iss: z.literal(REGISTRY),
  sub: OrganizationUrn,
  aud: z.literal(FEDERATION),
  jti: Ulid,
  iat: Seconds,
  nbf: Seconds,
  exp: Seconds,
  name: z.string().min(1).max(500),
  peer_id: PeerIdString,
  cnf: z.strictObject({ jwk: PublicJwk }),
  wit: z.string().max(200).exactOptional(),
  form1: DocumentReference.exactOptional(),
  prev_kid: Kid.exactOptional(),
})
export type Credential = z.infer<typeof Credential>
