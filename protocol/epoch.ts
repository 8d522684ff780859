import { z } from 'zod'
import { ProtocolError } from './errors.ts'
import type { ErrorCode } from './errors.ts'
import { Kid, OrganizationUrn, REGISTRY, Seconds, Sha256, StudyUid } from './ids.ts'
import { Ulid, UserId, oidOf } from './ids.ts'
import type { OrganizationOid } from './ids.ts'
import { verifyToken } from './jws.ts'
import type { TokenKind, Verified } from './jws.ts'
import { citoLimits, epochLimits, tokenLimits } from './limits.ts'
import { checkIssued, checkLifetime } from './times.ts'
import { issuerKey } from './trust-list.ts'
import type { TrustList } from './trust-list.ts'

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
  users_off: z.array(UserId).max(epochLimits.offMax),
  mo_off: z.array(OrganizationUrn).max(epochLimits.offMax),
  kid_off: z.array(Kid).max(epochLimits.offMax),
  /** Studies that an organization in `mo_off` may read all the same, by a grant; absent when there is none. */
  cito: z
    .array(z.strictObject({ id: Ulid, org: OrganizationUrn, study: StudyUid, until: Seconds }))
    .min(1)
    .max(citoLimits.perHolderMax)
    .exactOptional(),
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

export const epochKind: TokenKind<Epoch> = {
  typ: 'cami-epoch+jwt',
  schema: Epoch,
  maxBytes: tokenLimits.epochBytes,
}
export const beatKind: TokenKind<Beat> = {
  typ: 'cami-beat+jwt',
  schema: Beat,
  maxBytes: tokenLimits.beatBytes,
}

type Expected = { trust: TrustList; audience: OrganizationUrn; now: number }

/**
 * Checks an epoch. One past its `exp` is still the newest state that this holder knows and its number must be kept;
 * whether it is fresh enough to let anybody in is the decision's question (`EpochFacts.freshAt`, renewed by beats).
 */
export async function verifyEpoch(token: string, expected: Expected): Promise<Verified<Epoch>> {
  const verified = await verifyToken(token, epochKind, issuerKey(expected.trust, expected.now))
  const { claims } = verified
  checkAudience(claims.aud, expected.audience)
  checkIssued(claims, expected.now)
  checkLifetime(claims, tokenLimits.epochLifetimeSeconds)
  const grants = new Set(claims.grants.map(([jti]) => jti))
  if (grants.size !== claims.grants.length) {
    throw new ProtocolError('token_malformed', 'an epoch names a grant twice')
  }
  if ((claims.prev === undefined) !== (claims.epoch === 1)) {
    throw new ProtocolError('token_malformed', 'an epoch names its predecessor, the first has none')
  }
  return verified
}

/** Checks a beat. It renews the epoch it names, by number and digest, and no other. */
export async function verifyBeat(token: string, expected: Expected): Promise<Verified<Beat>> {
  const verified = await verifyToken(token, beatKind, issuerKey(expected.trust, expected.now))
  checkAudience(verified.claims.aud, expected.audience)
  checkIssued(verified.claims, expected.now)
  return verified
}

function checkAudience(found: OrganizationUrn, expected: OrganizationUrn): void {
  if (found !== expected) {
    throw new ProtocolError('token_wrong_audience', 'made for another organization')
  }
}

/** The number and digest of the newest accepted epoch: the high-water mark, which survives restarts and restores. */
export type EpochMark = { epoch: number; digest: Sha256 }

/**
 * What a holder does with a verified epoch. `epoch_equivocation` is evidence against the registry: the same number with
 * other content, or a successor that denies its predecessor. Then the older state stays in force.
 */
export function nextEpochState(
  current: EpochMark | undefined,
  next: Verified<Epoch>,
): 'accept' | 'same' | ErrorCode {
  if (current === undefined) return 'accept'
  const { epoch, prev } = next.claims
  if (epoch < current.epoch) return 'epoch_rollback'
  if (epoch === current.epoch) {
    return next.digest === current.digest ? 'same' : 'epoch_equivocation'
  }
  const isSuccessor = epoch === current.epoch + 1
  return isSuccessor && prev !== current.digest ? 'epoch_equivocation' : 'accept'
}

/** The newest accepted epoch of a holder, as the decision reads it; times in milliseconds. */
export type EpochFacts = {
  epoch: number
  /** Issue time of the newest verified epoch or beat. */
  freshAt: number
  grants: ReadonlyMap<string, { ver: number; digest: Sha256; active: boolean }>
  usersOff: ReadonlySet<UserId>
  organizationsOff: ReadonlySet<OrganizationOid>
  kidsOff: ReadonlySet<Kid>
  /** What a suspended organization may read all the same. */
  cito?: readonly { organization: OrganizationOid; study: StudyUid; until: number }[]
}

/** Whether the operator lets a suspended organization read this study now; without a study, any. */
export const isCito = (
  { cito = [] }: Pick<EpochFacts, 'cito'>,
  now: number,
  about: { organization: OrganizationOid; study?: StudyUid },
): boolean =>
  cito.some(
    ({ organization, study, until }) =>
      organization === about.organization &&
      (about.study === undefined || about.study === study) &&
      now < until,
  )

/** `freshAtSeconds`: `iat` of the epoch itself or of the newest beat that names it. */
export function epochFacts(epoch: Epoch, freshAtSeconds: number): EpochFacts {
  return {
    epoch: epoch.epoch,
    freshAt: Math.max(epoch.iat, freshAtSeconds) * 1000,
    grants: new Map(
      epoch.grants.map(([jti, ver, digest, state]) => [
        jti,
        { ver, digest, active: state === 'active' },
      ]),
    ),
    usersOff: new Set(epoch.users_off),
    organizationsOff: new Set(epoch.mo_off.map(oidOf)),
    kidsOff: new Set(epoch.kid_off),
    ...(epoch.cito !== undefined && {
      cito: epoch.cito.map(({ org, study, until }) => {
        return { organization: oidOf(org), study, until: until * 1000 }
      }),
    }),
  }
}
