import type { ErrorCode } from './errors.ts'
import type { OwnFacts, OwnUser, PeerFacts, Role } from './facts.ts'
import { organizationOfUser } from './ids.ts'
import type { OrganizationOid } from './ids.ts'
import { tokenLimits } from './limits.ts'
import { toleranceMs } from './times.ts'
import type { Policy } from './trust-list.ts'

/** Why a person, or how she signed in, opens nothing; part of the decision in `authorize.ts`. */
export const sessionEnd = (authTime: number): number =>
  authTime + tokenLimits.sessionAgeHoursMax * 60 * 60 * 1000

/** A session is as old as the last sign-in; one from the future is a broken clock or a lie. */
const isSessionOld = (authTime: number, now: number): boolean =>
  now >= sessionEnd(authTime) || authTime > now + toleranceMs

/** How she signed in is not enough for what crosses between organizations, or for administration. */
export const lacksSecondFactor = (policy: Policy, amr: readonly string[]): boolean =>
  policy.secondFactor === 'required' && !amr.includes('otp') && !amr.includes('hwk')

/** Roles that count only with a second factor, where the policy requires one: they open doors for others. */
export const administrativeRoles: ReadonlySet<Role> = new Set([
  'mo_admin',
  'head_of_mo',
  'cami_operator',
  'cami_admin',
])

/** For who has one of these roles. One that asks for no second factor is enough. */
export function refuseRole(
  { user, self, now, policy }: OwnFacts,
  allowed: readonly Role[],
): ErrorCode | undefined {
  const refused = refuseUser(user, self, now)
  if (refused !== undefined) return refused
  const held = user.roles.filter((role) => allowed.includes(role))
  if (held.length === 0) return 'role_missing'
  const isShort = lacksSecondFactor(policy, user.amr)
  const opens = (role: Role) => !isShort || !administrativeRoles.has(role)
  return held.some(opens) ? undefined : 'second_factor_required'
}

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
  if (lacksSecondFactor(policy, amr)) return 'second_factor_required'
  return isSessionOld(auth_time * 1000, now) ? 'session_too_old' : undefined
}
