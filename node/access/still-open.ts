import { codeOf, type ErrorCode } from '#protocol/errors.ts'
import type { OrganizationOid, StudyUid } from '#protocol/ids.ts'
import { httpLimits } from '#protocol/limits.ts'
import { restrictionAgainst, restrictionSentence } from '#protocol/restriction.ts'
import type { Doors } from './doors.ts'
import type { RegionStudy } from './doors-impl.ts'
import type { FetchedDecision } from './fetched.ts'
import type { OwnEmergencies } from './own-emergencies.ts'
import type { Restrictions } from './restrictions.ts'
import type { SessionUser } from './session-user.ts'

/** What a page that shows a study is told of it, again and again. */
export type StillOpen =
  | { open: true }
  | {
      open: false
      because: ErrorCode
      holder: OrganizationOid
      /** What the operator has limited here, and why. */
      sentence?: string
    }

type Deps = {
  replica: { find(study: StudyUid): Promise<RegionStudy[]> }
  restrictions?: Pick<Restrictions, 'current'>
  decide: FetchedDecision
  ownEmergencies?: Pick<OwnEmergencies, 'decide'>
  openStudy: Doors['openStudy']
}

/**
 * The index of a holder goes with its grants, so what was opened is remembered here: for as long as the session lasts, and
 * for so many openings at most. What our own facts forbid is said without asking the holder, and without another denial
 * in the audit.
 */
export function createStillOpen(deps: Deps) {
  const { replica, decide, openStudy, restrictions, ownEmergencies } = deps
  const opened = new Map<string, RegionStudy>()
  const remember = (key: string, study: RegionStudy): void => {
    opened.delete(key)
    opened.set(key, study)
    const oldest = opened.keys().next().value
    if (opened.size > httpLimits.openingsMax && oldest !== undefined) opened.delete(oldest)
  }
  const closed = ({ holder }: RegionStudy, because: ErrorCode): StillOpen => {
    const limit = restrictionAgainst('region', restrictions?.current() ?? [])
    const isLimited = because === 'organization_restricted' && limit !== undefined
    const why = isLimited ? { sentence: restrictionSentence('region', limit) } : {}
    return { open: false, because, holder, ...why }
  }
  return async (user: SessionUser, study: StudyUid): Promise<StillOpen> => {
    const key = `${user.session} ${study}`
    const known = opened.get(key)
    if (known !== undefined) {
      const decision = ownEmergencies?.decide(user, study) ?? decide(user, known, 'view')
      if (!decision.ok) return closed(known, decision.code)
    }
    try {
      await using reader = await openStudy(user, study, known === undefined ? 'opening' : 'showing')
      const { holder } = reader
      const found = (await replica.find(study)).find((one) => one.holder === holder)
      if (found !== undefined) remember(key, found)
      return { open: true }
    } catch (error) {
      const code = codeOf(error)
      if (known === undefined || code !== 'forbidden') throw error
      return closed(known, code)
    }
  }
}
