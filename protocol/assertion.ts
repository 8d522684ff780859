import { z } from 'zod'
import { ProtocolError } from './errors.ts'
import { Operation } from './grant.ts'
import {
  OrganizationUrn,
  Seconds,
  StudyUid,
  Ulid,
  UserId,
  oidOf,
  organizationOfUser,
} from './ids.ts'
import type { Kid, PublicJwk } from './ids.ts'
import { verifyToken } from './jws.ts'
import type { TokenKind, Verified } from './jws.ts'
import { emergencyLimits, tokenLimits } from './limits.ts'
import { checkIssued, checkLifetime, toleranceMs } from './times.ts'

/** In the user's own words, for the person who reviews it. */
export const EmergencyReason = z
  .string()
  .min(emergencyLimits.reasonCharsMin)
  .max(emergencyLimits.reasonCharsMax)
  .refine((text) => text.trim() === text, 'with space around it')

/** `typ: cami-access+jwt`: one reading of one study by one user, single use, at most 300 s, signed by the grantee's node. */
export const Assertion = z.strictObject({
  iss: OrganizationUrn,
  sub: UserId,
  aud: OrganizationUrn,
  jti: Ulid,
  iat: Seconds,
  exp: Seconds,
  /** `jti` of the grant relied on; in an emergency the number of its opening, which the grantee's node has made. */
  grant: Ulid,
  op: Operation,
  res: StudyUid,
  purp: z.enum(['interpretation', 'ETREAT']),
  /** Why the user needs the study without a grant: exactly with `ETREAT`. */
  reason: EmergencyReason.exactOptional(),
  role: z.string().max(32),
  pos: z.string().max(200),
  dep: z.string().max(200),
  amr: z
    .array(z.enum(['pwd', 'otp', 'hwk']))
    .min(1)
    .max(3),
  auth_time: Seconds,
  ws: z.string().max(64),
  /** First 16 bytes of SHA-256 of the session id, hexadecimal. */
  sid: z.string().regex(/^[0-9a-f]{32}$/),
})
export type Assertion = z.infer<typeof Assertion>

export const assertionKind: TokenKind<Assertion> = {
  typ: 'cami-access+jwt',
  schema: Assertion,
  maxBytes: tokenLimits.assertionBytes,
}

/** `jwk` and `kid` are of the credential of the peer at the other end of the connection, and of nobody else. */
export async function verifyAssertion(
  token: string,
  expected: { jwk: PublicJwk; kid: Kid; audience: OrganizationUrn; now: number },
): Promise<Verified<Assertion>> {
  const verified = await verifyToken(token, assertionKind, (kid) =>
    kid === expected.kid ? expected.jwk : undefined,
  )
  const { claims } = verified
  if (claims.aud !== expected.audience) {
    throw new ProtocolError('token_wrong_audience', 'an assertion for another holder')
  }
  if (organizationOfUser(claims.sub) !== oidOf(claims.iss)) {
    throw new ProtocolError('token_wrong_issuer', 'an organization asserts its own users only')
  }
  checkIssued(claims, expected.now)
  checkLifetime(claims, tokenLimits.assertionLifetimeSeconds)
  if (expected.now >= claims.exp * 1000 + toleranceMs) {
    throw new ProtocolError('token_expired', 'the assertion is too old')
  }
  if ((claims.purp === 'ETREAT') !== (claims.reason !== undefined)) {
    throw new ProtocolError(
      'token_malformed',
      'a reason goes with an emergency, and with nothing else',
    )
  }
  if (claims.auth_time > claims.iat) {
    throw new ProtocolError('token_malformed', 'asserted before the user signed in')
  }
  return verified
}
