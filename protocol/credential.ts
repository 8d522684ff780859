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
  oidOf,
} from './ids.ts'
import type { OrganizationOid } from './ids.ts'
import { ProtocolError } from './errors.ts'
import { verifyToken } from './jws.ts'
import type { TokenKind, Verified } from './jws.ts'
import { checkPublicKey, peerIdOf, thumbprint } from './keys.ts'
import { tokenLimits } from './limits.ts'
import { checkIssued, checkLifetime, checkValidity } from './times.ts'
import { issuerKey } from './trust-list.ts'
import type { TrustList } from './trust-list.ts'

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
  /** `cami-proof+jwt` of the key: it was there when the operator asked. Nodes need not look; the registry does. */
  pop: z.string().max(tokenLimits.proofBytes).exactOptional(),
})
export type Credential = z.infer<typeof Credential>

export const credentialKind: TokenKind<Credential> = {
  typ: 'cami-mo+jwt',
  schema: Credential,
  maxBytes: tokenLimits.credentialBytes,
}

/** Which key speaks for which organization now, on the word of an issuing key of the trust list. */
export async function verifyCredential(
  token: string,
  { trust, now }: { trust: TrustList; now: number },
): Promise<Verified<Credential>> {
  const verified = await verifyToken(token, credentialKind, issuerKey(trust, now))
  const { claims } = verified
  checkIssued(claims, now)
  checkLifetime(claims, tokenLimits.credentialLifetimeSeconds)
  checkValidity(claims, now)
  checkPublicKey(claims.cnf.jwk)
  if (claims.peer_id !== peerIdOf(claims.cnf.jwk)) {
    throw new ProtocolError('peer_mismatch', 'the peer id is not of the key')
  }
  return verified
}

/** What the decision needs of a verified credential; times in milliseconds. */
export type CredentialFacts = {
  organization: OrganizationOid
  kid: Kid
  peerId: PeerIdString
  notBefore: number
  expiresAt: number
  /** Earlier keys that gave way to this one by their own word. */
  follows?: readonly Kid[]
}

export async function credentialFacts(credential: Credential): Promise<CredentialFacts> {
  return {
    organization: oidOf(credential.sub),
    kid: await thumbprint(credential.cnf.jwk),
    peerId: credential.peer_id,
    notBefore: credential.nbf * 1000,
    expiresAt: credential.exp * 1000,
  }
}
