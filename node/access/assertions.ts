import { createHash } from 'node:crypto'
import type { Assertion } from '#protocol/assertion.ts'
import type { VerifiedGrant } from '#protocol/authorize.ts'
import { ProtocolError } from '#protocol/errors.ts'
import { ulid, Ulid, urnOf } from '#protocol/ids.ts'
import type { OrganizationOid, StudyUid } from '#protocol/ids.ts'
import type { Signer } from '#protocol/jws.ts'
import { tokenLimits } from '#protocol/limits.ts'
import type { OwnEmergency } from './own-emergencies.ts'
import type { SessionUser } from './session-user.ts'

export type AssertionRequest = { user: SessionUser; study: StudyUid; holder: OrganizationOid }

/**
 * Speaks for a signed-in user to a holder: one study, one use, minutes. What it says of her is what her session knows;
 * the holder answers for whom it believes.
 */
export function createAssertions(deps: {
  self: OrganizationOid
  signer: Signer
  /** The decision that a grant, or an emergency, lets this user read this study; throws when none does. */
  decide: (request: AssertionRequest) => Promise<VerifiedGrant>
  /** Why she needs it, where the decision rests on an emergency. */
  emergency?: (user: SessionUser, study: StudyUid) => OwnEmergency | undefined
  /** Notes what is asked, before it is. */
  onAsked?: (claims: Assertion) => Promise<void>
  clock: () => number
  random: (bytes: number) => Uint8Array
}): (request: AssertionRequest) => Promise<string> {
  const { self, signer, decide, clock, random } = deps
  return async (request) => {
    const { user, study, holder } = request
    const { grant, basis } = await decide(request)
    if (grant === undefined) throw new ProtocolError('grant_absent', 'no grant to rely on')
    const emergency = basis === 'emergency' ? deps.emergency?.(user, study) : undefined
    if (basis === 'emergency' && emergency?.id !== grant) {
      throw new ProtocolError('emergency_over', 'no reason to give')
    }
    const iat = Math.floor(clock() / 1000)
    const claims: Assertion = {
      iss: urnOf(self),
      sub: user.uid,
      aud: urnOf(holder),
      jti: ulid(clock(), random(10)),
      iat,
      exp: iat + tokenLimits.assertionLifetimeSeconds,
      grant: Ulid.parse(grant),
      op: 'view',
      res: study,
      purp: emergency === undefined ? 'interpretation' : 'ETREAT',
      ...(emergency !== undefined && { reason: emergency.reason }),
      role: roleOf(user),
      pos: user.position.slice(0, 200),
      dep: user.department.slice(0, 200),
      amr: [...user.amr],
      auth_time: Math.floor((emergency?.authTime ?? user.authTime) / 1000),
      ws: user.workstation.slice(0, 64),
      sid: createHash('sha256').update(user.session).digest('hex').slice(0, 32),
    }
    await deps.onAsked?.(claims)
    return await signer.sign('cami-access+jwt', claims)
  }
}

/** The role under which another organization's studies are read, among those that she has. */
function roleOf({ roles }: SessionUser): string {
  const readers = ['radiologist', 'diagnostician', 'consultant'] as const
  return readers.find((role) => roles.includes(role)) ?? roles[0] ?? ''
}
