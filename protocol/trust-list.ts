import { z } from 'zod'
import { AUTHORITY, FEDERATION, Kid, PublicJwk, Seconds, Sha256 } from './ids.ts'

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
  /** Issuing keys of the registry: they sign credentials, grants, epochs and beats. */
  issuers: z
    .array(z.strictObject({ kid: Kid, jwk: PublicJwk, nbf: Seconds, exp: Seconds }))
    .min(1)
    .max(8),
  /** The registry's own libp2p identity. */
  registry: z.strictObject({ jwk: PublicJwk }),
  policy: Policy,
})
export type TrustList = z.infer<typeof TrustList>
