import type { VerifiedGrant } from '#protocol/authorize.ts'
import { ProtocolError } from '#protocol/errors.ts'
import type { StudyUid } from '#protocol/ids.ts'
import type { AssertionRequest } from './assertions.ts'
import type { FetchedDecision } from './fetched.ts'
import type { OwnEmergencies } from './own-emergencies.ts'

type Held = Parameters<FetchedDecision>[1]

/** Each assertion is decided anew: a grant may have ended while a study was read. */
export function createDecider(
  replica: { find(study: StudyUid): Promise<readonly Held[]> },
  decide: FetchedDecision,
  emergencies: Pick<OwnEmergencies, 'decide' | 'find'>,
) {
  return async ({ user, study, holder }: AssertionRequest): Promise<VerifiedGrant> => {
    if (emergencies.find(user, study)?.holder === holder) {
      const decision = emergencies.decide(user, study)
      if (decision?.ok === true) return decision.grant
      if (decision !== undefined) throw new ProtocolError(decision.code, 'no emergency any more')
    }
    const held = (await replica.find(study)).find((candidate) => candidate.holder === holder)
    if (held === undefined) throw new ProtocolError('study_not_held', 'nobody holds this study')
    const decision = decide(user, held, 'view')
    if (!decision.ok) throw new ProtocolError(decision.code, 'the study may not be read')
    return decision.grant
  }
}
