import type { ErrorCode } from './errors.ts'
import type { FetchedFacts } from './facts.ts'
import { coversStudy } from './grant.ts'
import { oidOf } from './ids.ts'
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
