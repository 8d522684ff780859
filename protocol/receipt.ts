import { z } from 'zod'
import { ProtocolError } from './errors.ts'
import { OrganizationUrn, Seconds, Sha256, StudyUid, Ulid, UserId } from './ids.ts'
import type { Kid, PublicJwk } from './ids.ts'
import { verifyToken } from './jws.ts'
import type { TokenKind, Verified } from './jws.ts'
import { tokenLimits } from './limits.ts'
import { checkIssued } from './times.ts'

/**
 * `typ: cami-receipt+jwt`: the holder says what became of one access, named by its assertion. The grantee keeps it, so
 * that neither can later tell another story than the other.
 */
export const Receipt = z.strictObject({
  /** The holder. */
  iss: OrganizationUrn,
  /** The grantee. */
  aud: OrganizationUrn,
  iat: Seconds,
  /** `jti` and `iat` of the assertion. */
  req: Ulid,
  asked: Seconds,
  sub: UserId,
  study: StudyUid,
  /** Digest of the manifest that was newest when it ended; absent when none has been made. */
  manifest: Sha256.exactOptional(),
  instances: z.int().min(0),
  bytes: z.int().min(0),
  outcome: z.enum(['success', 'denied', 'failure']),
})
export type Receipt = z.infer<typeof Receipt>

export const receiptKind: TokenKind<Receipt> = {
  typ: 'cami-receipt+jwt',
  schema: Receipt,
  maxBytes: tokenLimits.receiptBytes,
}

/** A receipt of this holder for this grantee; an old one stays true, so only its making is judged by the time. */
export async function verifyReceipt(
  token: string,
  expected: {
    keyOf: (kid: Kid, holder: OrganizationUrn) => PublicJwk | undefined
    audience: OrganizationUrn
    now: number
  },
): Promise<Verified<Receipt>> {
  const verified = await verifyToken(token, receiptKind, (kid, { iss }) => expected.keyOf(kid, iss))
  const { claims } = verified
  if (claims.aud !== expected.audience) {
    throw new ProtocolError('token_wrong_audience', 'a receipt for another organization')
  }
  checkIssued(claims, expected.now)
  return verified
}
