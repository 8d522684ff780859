import { z } from 'zod'
import { Kid, OrganizationUrn, REGISTRY, Seconds, Sha256, Ulid, UserId } from './ids.ts'

/**
 * `typ: cami-epoch+jwt`: the full set of grants of one holder at one moment, signed by an issuing key.
 * Numbers only grow; equal numbers with unequal content are evidence against the registry.
 */
export const Epoch = z.strictObject({
  iss: z.literal(REGISTRY),
  aud: OrganizationUrn,
  epoch: z.int().min(1),
  /** SHA-256 of the previous epoch's signing input; absent in the first. */
  prev: Sha256.exactOptional(),
  /** `[jti, ver, SHA-256 of the grant's signing input, state]`. */
  grants: z.array(z.tuple([Ulid, z.int().min(1), Sha256, z.enum(['active', 'revoked'])])).max(1000),
  users_off: z.array(UserId).max(1000),
  mo_off: z.array(OrganizationUrn).max(1000),
  kid_off: z.array(Kid).max(1000),
  log: z.strictObject({ size: z.int().min(0), root: Sha256 }).exactOptional(),
  iat: Seconds,
  exp: Seconds,
})
export type Epoch = z.infer<typeof Epoch>

/** `typ: cami-beat+jwt`: the newest epoch is still number `epoch` at `iat`. */
export const Beat = z.strictObject({
  iss: z.literal(REGISTRY),
  aud: OrganizationUrn,
  epoch: z.int().min(1),
  sha256: Sha256,
  iat: Seconds,
})
export type Beat = z.infer<typeof Beat>
