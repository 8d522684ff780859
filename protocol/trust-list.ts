import { z } from 'zod'
import { ProtocolError } from './errors.ts'
import type { ErrorCode } from './errors.ts'
import { AUTHORITY, FEDERATION, Kid, PublicJwk, Seconds, Sha256 } from './ids.ts'
import { verifyToken } from './jws.ts'
import type { TokenKind, Verified } from './jws.ts'
import { checkPublicKey, thumbprint } from './keys.ts'
import { tokenLimits, transparencyLimits } from './limits.ts'
import { checkLifetime, checkValidity, isWithin } from './times.ts'

/** The transparency log and its witnesses, as verifier keys of C2SP signed notes (`name+id+key`). */
export const LogTrust = z.strictObject({
  key: z.string().max(300),
  witnesses: z.array(z.string().max(300)).max(transparencyLimits.witnessesMax),
})
export type LogTrust = z.infer<typeof LogTrust>

export const Policy = z.strictObject({
  secondFactor: z.enum(['required', 'optional']),
  staleAfterHours: z.int().min(1).max(72),
  transparency: z.enum(['off', 'required']),
})
export type Policy = z.infer<typeof Policy>

/** `typ: cami-trust+jwt`, signed by the authority (the operator's root key), pinned by its fingerprint in every node. */
export const TrustList = z.strictObject({
  iss: z.literal(AUTHORITY),
  aud: z.literal(FEDERATION),
  ver: z.int().min(1),
  /** SHA-256 of the previous list's signing input; absent in the first. */
  prev: Sha256.exactOptional(),
  iat: Seconds,
  exp: Seconds,
  /** The key that signed this list; readers believe it only if its thumbprint is the one they pinned. */
  authority: z.strictObject({ jwk: PublicJwk }),
  /** Issuing keys of the registry: they sign credentials, grants, epochs and beats. */
  issuers: z
    .array(z.strictObject({ kid: Kid, jwk: PublicJwk, nbf: Seconds, exp: Seconds }))
    .min(1)
    .max(8),
  /** The registry's own libp2p identity. */
  registry: z.strictObject({ jwk: PublicJwk }),
  policy: Policy,
  /** Absent while there is no log; without it the policy cannot require one. */
  log: LogTrust.exactOptional(),
})
export type TrustList = z.infer<typeof TrustList>

export const trustListKind: TokenKind<TrustList> = {
  typ: 'cami-trust+jwt',
  schema: TrustList,
  maxBytes: tokenLimits.trustListBytes,
}

/** Checks a trust list against the pinned fingerprint of the authority. */
export async function verifyTrustList(
  token: string,
  { authority, now }: { authority: Kid; now: number },
): Promise<Verified<TrustList>> {
  const verified = await verifyToken(token, trustListKind, (kid, list) =>
    kid === authority ? list.authority.jwk : undefined,
  )
  const { claims } = verified
  checkLifetime(claims, tokenLimits.trustListLifetimeSeconds)
  checkValidity({ ...claims, nbf: claims.iat }, now)
  for (const { jwk } of [claims.authority, claims.registry, ...claims.issuers]) checkPublicKey(jwk)
  const kids = await Promise.all(claims.issuers.map(({ jwk }) => thumbprint(jwk)))
  const isNamedRight = claims.issuers.every(({ kid }, at) => kid === kids[at])
  if (!isNamedRight || new Set(kids).size !== kids.length) {
    throw new ProtocolError('token_malformed', 'issuing keys are not named by their thumbprints')
  }
  if (claims.policy.transparency === 'required' && claims.log === undefined) {
    throw new ProtocolError('token_malformed', 'a log is required and none is named')
  }
  if (kids.includes(authority)) {
    throw new ProtocolError('token_malformed', 'the authority signs trust lists and nothing else')
  }
  return verified
}

/** The issuing key that this name stands for now, if the authority still believes it. */
export function issuerKey(trust: TrustList, now: number): (kid: Kid) => PublicJwk | undefined {
  return (kid) =>
    trust.issuers.find(
      (issuer) =>
        issuer.kid === kid && isWithin({ from: issuer.nbf * 1000, to: issuer.exp * 1000 }, now),
    )?.jwk
}

/** What a reader does with a verified list: a lower number is an attempt to bring a dropped key back. */
export function nextTrustState(
  current: { ver: number; digest: Sha256 } | undefined,
  next: Verified<TrustList>,
): 'accept' | 'same' | ErrorCode {
  if (current === undefined || next.claims.ver > current.ver) return 'accept'
  if (next.claims.ver < current.ver) return 'trust_rollback'
  return next.digest === current.digest ? 'same' : 'trust_equivocation'
}
