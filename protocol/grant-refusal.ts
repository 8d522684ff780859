import { isCito } from './epoch.ts'
import type { EpochFacts } from './epoch.ts'
import type { ErrorCode } from './errors.ts'
import type { FetchedFacts, PeerFacts } from './facts.ts'
import { coversStudy } from './grant.ts'
import type { GrantFacts, GrantRequest } from './grant.ts'
import { oidOf } from './ids.ts'
import type { Kid } from './ids.ts'
import { toleranceMs } from './times.ts'

/** Why a grant opens nothing; part of the decision in `authorize.ts`. */
export function refuseSpan(span: { nbf: number; exp: number }, now: number): ErrorCode | undefined {
  if (now < span.nbf * 1000 - toleranceMs) return 'grant_not_yet_valid'
  return now >= span.exp * 1000 ? 'grant_expired' : undefined
}

/** Of several grants that do not open, the one that came nearest gives the reason. */
export const grantOrder: readonly ErrorCode[] = [
  'grant_absent',
  'grant_inactive',
  'grant_not_yet_valid',
  'grant_expired',
  'grant_key_unpinned',
  'user_not_named',
  'operation_not_granted',
  'study_out_of_scope',
]

/** A received grant against its user, its study and this moment. */
export function refuseReceived(
  { now, self, selfKid, selfFollows, user, operation, study }: FetchedFacts,
  { facts, active }: FetchedFacts['grants'][number],
): ErrorCode | undefined {
  const { claims } = facts.grant
  const request = facts.request.claims
  const isBetween =
    oidOf(claims.holder) === study.holder &&
    oidOf(request.iss) === study.holder &&
    oidOf(claims.sub) === self &&
    oidOf(request.sub) === self
  if (!isBetween) return 'grant_absent'
  if (!active || claims.st !== 'active') return 'grant_inactive'
  const ended = refuseSpan(claims, now)
  if (ended !== undefined) return ended
  const isPinned = request.sub_kid.some((kid) => kid === selfKid || selfFollows?.has(kid) === true)
  if (!isPinned) return 'grant_key_unpinned'
  if (!request.users.some(({ uid }) => uid === user.uid)) return 'user_not_named'
  if (!request.act.includes(operation)) return 'operation_not_granted'
  return coversStudy(request.scope, study) ? undefined : 'study_out_of_scope'
}

/** The grant is in the epoch, unchanged, in force, between these two, and this holder signed it. */
export function refuseGrant(
  facts: PeerFacts,
  epoch: EpochFacts,
  grant: GrantFacts,
): ErrorCode | undefined {
  const { assertion, self, selfKids, now } = facts
  const { claims, digest } = grant.grant
  const listed = epoch.grants.get(assertion.claims.grant)
  if (listed === undefined || claims.jti !== assertion.claims.grant) return 'grant_absent'
  if (!listed.active || claims.st !== 'active') return 'grant_inactive'
  if (listed.digest !== digest || listed.ver !== claims.ver) return 'grant_mismatch'
  const ended = refuseSpan(claims, now)
  if (ended !== undefined) return ended
  const { kid, claims: request } = grant.request
  const isBetween =
    oidOf(claims.holder) === self &&
    oidOf(request.iss) === self &&
    claims.sub === assertion.claims.iss &&
    request.sub === assertion.claims.iss
  if (!isBetween) return 'grant_foreign'
  if (!isPinned(facts, epoch, request)) return 'grant_key_unpinned'
  return selfKids.has(kid) ? undefined : 'grant_unsigned'
}

const isPinned = (
  { assertion, credential }: PeerFacts,
  { kidsOff }: EpochFacts,
  request: GrantRequest,
): boolean => pinsKey(request, { kid: assertion.kid, follows: credential?.follows ?? [] }, kidsOff)

/** The key, or one that gave way to it and has not been revoked since: a thief's change of key must not inherit. */
export const pinsKey = (
  { sub_kid }: Pick<GrantRequest, 'sub_kid'>,
  { kid, follows }: { kid: Kid; follows: readonly Kid[] },
  kidsOff: ReadonlySet<Kid>,
): boolean =>
  [kid, ...follows.filter((one) => !kidsOff.has(one))].some((one) => sub_kid.includes(one))

/** The user is named, and neither she nor her organization nor its key has been switched off. */
export function refuseParties(
  { assertion, now }: PeerFacts,
  epoch: EpochFacts,
  request: GrantRequest,
): ErrorCode | undefined {
  const { sub, iss, res } = assertion.claims
  if (!request.users.some(({ uid }) => uid === sub)) return 'user_not_named'
  // The operator's word for one study, and never a way around the grant.
  const isOpen = isCito(epoch, now, { organization: oidOf(iss), study: res })
  return refuseOff(assertion, epoch, isOpen)
}

/** Neither the user nor her organization nor its key has been switched off. */
export function refuseOff(
  assertion: PeerFacts['assertion'],
  epoch: EpochFacts,
  isOpenThough = false,
): ErrorCode | undefined {
  const { sub, iss } = assertion.claims
  if (epoch.usersOff.has(sub)) return 'user_disabled'
  if (epoch.organizationsOff.has(oidOf(iss)) && !isOpenThough) return 'peer_suspended'
  return epoch.kidsOff.has(assertion.kid) ? 'key_revoked' : undefined
}

export function refuseAct(
  { operation, assertion }: PeerFacts,
  request: GrantRequest,
): ErrorCode | undefined {
  const isGranted = assertion.claims.op === operation && request.act.includes(operation)
  if (!isGranted) return 'operation_not_granted'
  return assertion.claims.purp === request.purp ? undefined : 'purpose_not_granted'
}

export function refuseStudy(
  { assertion, study, self }: PeerFacts,
  request: GrantRequest,
): ErrorCode | undefined {
  if (study === undefined || study.holder !== self) return 'study_not_held'
  if (study.study !== assertion.claims.res) return 'study_mismatch'
  if (!coversStudy(request.scope, study)) return 'study_out_of_scope'
  return study.withheld ? 'study_withheld' : undefined
}
