import { authorizeFetched } from '#protocol/authorize.ts'
import type { Decision, StudyFacts, VerifiedGrant } from '#protocol/authorize.ts'
import type { Operation } from '#protocol/grant.ts'
import type { Kid, OrganizationOid } from '#protocol/ids.ts'
import { restrictionAgainst } from '#protocol/restriction.ts'
import type { StudyRecord } from '#protocol/study.ts'
import type { Federation } from './federation.ts'
import type { Restrictions } from './restrictions.ts'
import type { SessionUser } from './session-user.ts'

export type FetchedDecision = (
  user: SessionUser,
  study: { holder: OrganizationOid; record: StudyRecord },
  operation: Operation,
) => Decision<VerifiedGrant>

/** The grantee's own decision about a study that the index names; the holder decides again for itself. */
export function createFetchedDecision(deps: {
  self: OrganizationOid
  selfKid: Kid
  federation: Pick<Federation, 'policy' | 'receivedGrants' | 'now' | 'earlierKids' | 'epochFacts'>
  /** What the operator has limited here; the node's own tests have none. */
  restrictions?: Pick<Restrictions, 'current'>
}): FetchedDecision {
  const { self, selfKid, federation, restrictions } = deps
  return (user, { holder, record }, operation) => {
    const { study, modalities, date, device } = record
    const about = { study, now: federation.now() }
    if (restrictionAgainst('region', restrictions?.current() ?? [], about) !== undefined) {
      return { ok: false, code: 'organization_restricted' }
    }
    const epoch = federation.epochFacts()
    const facts: StudyFacts = { study, holder, modalities, date, device, withheld: false }
    return authorizeFetched({
      now: federation.now(),
      self,
      selfKid,
      selfFollows: federation.earlierKids(),
      policy: federation.policy(),
      user,
      operation,
      study: facts,
      grants: federation.receivedGrants(),
      ...(epoch !== undefined && {
        off: { users: epoch.usersOff, organizations: epoch.organizationsOff },
      }),
    })
  }
}
