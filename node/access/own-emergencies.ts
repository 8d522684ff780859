import { authorizeEmergency } from '#protocol/authorize.ts'
import type { Decision, OwnEmergencyFacts, VerifiedGrant } from '#protocol/authorize.ts'
import { ulid } from '#protocol/ids.ts'
import type { OrganizationOid, StudyUid } from '#protocol/ids.ts'
import { emergencyLimits, httpLimits } from '#protocol/limits.ts'
import { restrictionAgainst } from '#protocol/restriction.ts'
import type { Federation } from './federation.ts'
import type { Restrictions } from './restrictions.ts'
import type { SessionUser } from './session-user.ts'

/** What a user of this organization has opened without a grant, at another holder. */
export type OwnEmergency = OwnEmergencyFacts['opened'] & {
  reason: string
  /** When she proved again who she is, milliseconds. */
  authTime: number
}
export type EmergencyRequest = { study: StudyUid; holder: OrganizationOid; reason: string }

/**
 * Openings of this node's own users. They belong to a session and die with the program: whoever needs the study after a
 * restart asks again.
 */
export type OwnEmergencies = {
  /** After the user has shown again who she is. */
  open(user: SessionUser, request: EmergencyRequest): OwnEmergency
  forget(user: SessionUser, study: StudyUid): void
  find(user: SessionUser, study: StudyUid): OwnEmergency | undefined
  /** Undefined: she has opened no such study. */
  decide(user: SessionUser, study: StudyUid): Decision<VerifiedGrant> | undefined
}

export function createOwnEmergencies(deps: {
  self: OrganizationOid
  federation: Pick<Federation, 'policy' | 'now' | 'epochFacts'>
  restrictions?: Pick<Restrictions, 'current'>
  clock: () => number
  random: (bytes: number) => Uint8Array
}): OwnEmergencies {
  const { self, federation, restrictions, clock, random } = deps
  const opened = new Map<string, OwnEmergency>()
  const keyOf = ({ session }: SessionUser, study: StudyUid): string => `${session} ${study}`
  const find = (user: SessionUser, study: StudyUid): OwnEmergency | undefined =>
    opened.get(keyOf(user, study))
  return {
    open(user, { study, holder, reason }) {
      const now = federation.now()
      const made: OwnEmergency = {
        id: ulid(now, random(10)),
        user: user.uid,
        holder,
        study,
        reason,
        authTime: clock(),
        until: now + emergencyLimits.lastsMs,
      }
      opened.set(keyOf(user, study), made)
      const oldest = opened.keys().next().value
      if (opened.size > httpLimits.openingsMax && oldest !== undefined) opened.delete(oldest)
      return made
    },
    forget: (user, study) => void opened.delete(keyOf(user, study)),
    find,
    decide(user, study) {
      const known = find(user, study)
      if (known === undefined) return undefined
      const now = federation.now()
      // Over: a grant may say something again.
      if (now >= known.until) {
        opened.delete(keyOf(user, study))
        return undefined
      }
      if (restrictionAgainst('region', restrictions?.current() ?? []) !== undefined) {
        return { ok: false, code: 'organization_restricted' }
      }
      const epoch = federation.epochFacts()
      return authorizeEmergency({
        now,
        self,
        user,
        study,
        policy: federation.policy(),
        holder: known.holder,
        opened: known,
        ...(epoch !== undefined && {
          off: { users: epoch.usersOff, organizations: epoch.organizationsOff },
        }),
      })
    },
  }
}
