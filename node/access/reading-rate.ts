import type { OrganizationOid, StudyUid, UserId } from '#protocol/ids.ts'
import { readingLimits } from '#protocol/limits.ts'

const hourMs = 60 * 60 * 1000
const dayMs = 24 * hourMs

type Reading = { user: UserId; organization: OrganizationOid; study: StudyUid }

/**
 * How many studies one user, and one organization, may open here in an hour and a day. A study counts once however
 * often it is asked for, so that paging through one is free and paging through an archive is not.
 */
export function createReadingRate(): {
  isExceeded(reading: Reading, now: number): boolean
  count(reading: Reading, now: number): void
} {
  /** Of each user and organization: the studies of the last day, by the time when they were opened first. */
  const opened = new Map<string, Map<StudyUid, number>>()
  const since = (who: string, now: number, span: number): number => {
    let count = 0
    for (const at of opened.get(who)?.values() ?? []) if (now - at < span) count += 1
    return count
  }
  const isKnown = (who: string, { study }: Reading, now: number): boolean =>
    now - (opened.get(who)?.get(study) ?? -dayMs) < hourMs
  return {
    isExceeded(reading, now) {
      const { user, organization } = reading
      const ofUser =
        !isKnown(user, reading, now) &&
        (since(user, now, hourMs) >= readingLimits.studiesPerUserHour ||
          since(user, now, dayMs) >= readingLimits.studiesPerUserDay)
      const ofOrganization =
        !isKnown(organization, reading, now) &&
        since(organization, now, hourMs) >= readingLimits.studiesPerOrganizationHour
      return ofUser || ofOrganization
    },
    count(reading, now) {
      for (const who of [reading.user, reading.organization]) {
        const studies = opened.get(who) ?? new Map<StudyUid, number>()
        for (const [study, at] of studies) if (now - at >= dayMs) studies.delete(study)
        if (!isKnown(who, reading, now)) studies.set(reading.study, now)
        opened.set(who, studies)
      }
    },
  }
}
