import type { ErrorCode } from './errors.ts'
import type { OwnUser, PeerFacts } from './facts.ts'
import { organizationOfUser } from './ids.ts'
import type { OrganizationOid } from './ids.ts'
import { tokenLimits } from './limits.ts'
import { toleranceMs } from './times.ts'

/** Why a person, or how she signed in, opens nothing; part of the decision in `authorize.ts`. */
export const sessionEnd = (authTime: number): number =>
  authTime + tokenLimits.sessionAgeHoursMax * 60 * 60 * 1000

/** A session is as old as the last sign-in; one from the future is a broken clock or a lie. */
const isSessionOld = (authTime: number, now: number): boolean =>
  now >= sessionEnd(authTime) || authTime > now + toleranceMs

export const hasSecondFactor = (amr: readonly string[]): boolean =>
  amr.includes('otp') || amr.includes('hwk')

export function refuseUser(
  user: OwnUser,
  self: OrganizationOid,
  now: number,
): ErrorCode | undefined {
  const isOwn = user.organization === self && organizationOfUser(user.uid) === self
  if (!isOwn) return 'forbidden'
  if (!user.enabled) return 'user_disabled'
  return isSessionOld(user.authTime, now) ? 'session_too_old' : undefined
}

export function refuseSession({ policy, assertion, now }: PeerFacts): ErrorCode | undefined {
  const { amr, auth_time } = assertion.claims
  if (policy.secondFactor === 'required' && !hasSecondFactor(amr)) return 'second_factor_required'
  return isSessionOld(auth_time * 1000, now) ? 'session_too_old' : undefined
}
