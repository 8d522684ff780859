import type { ErrorCode } from './errors.ts'
import type { EmergencyFacts, OwnEmergencyFacts, PeerFacts, Role } from './facts.ts'
import { refuseOff } from './grant-refusal.ts'
import { emergencyLimits } from './limits.ts'
import { lacksSecondFactor, refuseSession } from './session-refusal.ts'

/** Why access without a grant is not given; part of the decision in `authorize.ts`. */

/** Who may ask for it: she reads the images herself, and answers for the reason. */
const askingRole: Role = 'radiologist'

/**
 * The age of the epoch is not asked: an emergency must not wait for the registry. But whoever has never heard of it does
 * not know whom it has switched off.
 */
export function refuseEmergency(facts: PeerFacts): ErrorCode | undefined {
  const { emergency, epoch, assertion, operation } = facts
  if (emergency === undefined) return 'emergency_not_offered'
  if (epoch === undefined) return 'epoch_absent'
  const off = refuseOff(assertion, epoch)
  if (off !== undefined) return off
  if (assertion.claims.role !== askingRole) return 'role_missing'
  if (assertion.claims.op !== 'view' || operation !== 'view') return 'operation_not_granted'
  return (
    refuseOneStudy(facts) ??
    refuseOpened(facts, emergency) ??
    refuseSession(facts) ??
    refuseNew(facts, emergency)
  )
}

function refuseOneStudy({ assertion, study, self }: PeerFacts): ErrorCode | undefined {
  if (study === undefined || study.holder !== self) return 'study_not_held'
  if (study.study !== assertion.claims.res) return 'study_mismatch'
  return study.withheld ? 'study_withheld' : undefined
}

/** One that has begun goes on until its end, for the same user and study. */
function refuseOpened(
  { assertion, now }: PeerFacts,
  { opened }: EmergencyFacts,
): ErrorCode | undefined {
  const { sub, res } = assertion.claims
  if (opened === undefined) return undefined
  if (opened.user !== sub || opened.study !== res) return 'emergency_mismatch'
  return now >= opened.until ? 'emergency_over' : undefined
}

/** A new one needs a new proof of who asks, and is not the rule. */
function refuseNew({ assertion, now }: PeerFacts, facts: EmergencyFacts): ErrorCode | undefined {
  if (facts.opened !== undefined) return undefined
  const { stepUpMs, perUser, perOrganization } = emergencyLimits
  if (now >= assertion.claims.auth_time * 1000 + stepUpMs) return 'session_too_old'
  const isOften = facts.byUser >= perUser || facts.byOrganization >= perOrganization
  return isOften ? 'rate_limited' : undefined
}

export const emergencyEnd = ({ emergency, now }: PeerFacts): number =>
  emergency?.opened?.until ?? now + emergencyLimits.lastsMs

export function refuseOwnEmergency(facts: OwnEmergencyFacts): ErrorCode | undefined {
  const { now, user, policy, off, holder, study, opened } = facts
  if (!user.roles.includes(askingRole)) return 'role_missing'
  if (lacksSecondFactor(policy, user.amr)) return 'second_factor_required'
  if (off?.users.has(user.uid) === true) return 'user_disabled'
  if (off?.organizations.has(holder) === true) return 'peer_suspended'
  const isSame = opened.user === user.uid && opened.study === study && opened.holder === holder
  if (!isSame) return 'emergency_mismatch'
  return now >= opened.until ? 'emergency_over' : undefined
}
