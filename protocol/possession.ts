import { z } from 'zod'
import { ProtocolError } from './errors.ts'
import { OrganizationUrn, PublicJwk, REGISTRY, Seconds, Ulid } from './ids.ts'
import { verifyToken } from './jws.ts'
import type { TokenKind, Verified } from './jws.ts'
import { checkPublicKey, thumbprint } from './keys.ts'
import { tokenLimits } from './limits.ts'
import { checkIssued, checkLifetime, checkValidity } from './times.ts'

/** 32 random bytes, base64url: asked once, for one key of one organization. */
export const Nonce = z.string().regex(/^[A-Za-z0-9_-]{43}$/, 'not a nonce')

/** What the operator asks of a key before it issues a credential for it. */
export const Challenge = z.strictObject({
  organization: OrganizationUrn,
  jwk: PublicJwk,
  nonce: Nonce,
  exp: Seconds,
})
export type Challenge = z.infer<typeof Challenge>

/**
 * `typ: cami-proof+jwt`: whoever applies has the key, not only its public half: it signs the operator's nonce with it,
 * in the name of one organization.
 */
export const Possession = z.strictObject({
  iss: OrganizationUrn,
  aud: z.literal(REGISTRY),
  jti: Ulid,
  iat: Seconds,
  exp: Seconds,
  nonce: Nonce,
  cnf: z.strictObject({ jwk: PublicJwk }),
})
export type Possession = z.infer<typeof Possession>

export const possessionKind: TokenKind<Possession> = {
  typ: 'cami-proof+jwt',
  schema: Possession,
  maxBytes: tokenLimits.proofBytes,
}

/** A weak key proves nothing, whatever it signs. */
export async function verifyPossession(
  token: string,
  expected: {
    jwk: PublicJwk
    organization: OrganizationUrn
    /** Absent where only the one who asked knows it. */
    nonce?: string
    now: number
  },
): Promise<Verified<Possession>> {
  const { jwk, organization, nonce, now } = expected
  checkPublicKey(jwk)
  const kid = await thumbprint(jwk)
  const verified = await verifyToken(token, possessionKind, (name) =>
    name === kid ? jwk : undefined,
  )
  const { claims } = verified
  if (claims.iss !== organization || (await thumbprint(claims.cnf.jwk)) !== kid) {
    throw new ProtocolError('possession_unproven', 'the proof is of another organization or key')
  }
  if (nonce !== undefined && claims.nonce !== nonce) {
    throw new ProtocolError('possession_unproven', 'the proof answers another challenge')
  }
  checkLifetime(claims, tokenLimits.proofLifetimeSeconds)
  checkIssued(claims, now)
  checkValidity({ ...claims, nbf: claims.iat }, now)
  return verified
}
