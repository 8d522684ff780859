import { z } from 'zod'
import { OrganizationOid, StudyUid, UserId } from '#protocol/ids.ts'
import { readingLimits } from '#protocol/limits.ts'
import type { RecordChange, Records } from '../store/records.ts'

const hourMs = 60 * 60 * 1000
const dayMs = 24 * hourMs

type Reading = { user: UserId; organization: OrganizationOid; study: StudyUid }

/**
 * How many studies one user, and one organization, may open here in an hour and a day. A study counts once however
 * often it is asked for, so that paging through one is free and paging through an archive is not.
 */
export type ReadingRate = {
  isExceeded(reading: Reading, now: number): boolean
  /** On the disk when it resolves: a restart forgives nothing. */
  count(reading: Reading, now: number): Promise<void>
}

const kind = 'reading'
const Opened = z.strictObject({
  who: z.union([UserId, OrganizationOid]),
  study: StudyUid,
  at: z.int(),
})
type Opened = z.infer<typeof Opened>
/** To either side: what was read while the time was ahead is no limit when it is mended. */
const isWithin = (span: number, first: number | undefined, at: number): boolean =>
  first !== undefined && Math.abs(at - first) < span
const keyOf = ({ who, study }: Pick<Opened, 'who' | 'study'>): string => `${who}/${study}`

type ReadingRecords = Pick<Records, 'list' | 'write'>

export async function openReadingRate(records: ReadingRecords, now: number): Promise<ReadingRate> {
  const opened = await load(records, now)
  const since = (who: string, at: number, span: number): number => {
    let count = 0
    for (const first of opened.get(who)?.values() ?? []) if (isWithin(span, first, at)) count += 1
    return count
  }
  const isKnown = (who: string, { study }: Reading, at: number): boolean =>
    isWithin(hourMs, opened.get(who)?.get(study), at)
  return {
    isExceeded(reading, at) {
      const { user, organization } = reading
      const ofUser =
        !isKnown(user, reading, at) &&
        (since(user, at, hourMs) >= readingLimits.studiesPerUserHour ||
          since(user, at, dayMs) >= readingLimits.studiesPerUserDay)
      const ofOrganization =
        !isKnown(organization, reading, at) &&
        since(organization, at, hourMs) >= readingLimits.studiesPerOrganizationHour
      return ofUser || ofOrganization
    },
    async count(reading, at) {
      const { study } = reading
      const changes: RecordChange[] = []
      for (const who of [reading.user, reading.organization]) {
        const studies = opened.get(who) ?? new Map<StudyUid, number>()
        opened.set(who, studies)
        for (const [old, first] of studies) {
          if (isWithin(dayMs, first, at)) continue
          studies.delete(old)
          changes.push({ type: 'del', kind, key: keyOf({ who, study: old }) })
        }
        if (isKnown(who, reading, at)) continue
        studies.set(study, at)
        const value: Opened = { who, study, at }
        changes.push({ type: 'put', kind, key: keyOf(value), value })
      }
      if (changes.length > 0) await records.write(changes)
    },
  }
}

/** Of each user and organization: the studies of the last day, by the time when they were opened first. */
async function load(
  records: ReadingRecords,
  now: number,
): Promise<Map<string, Map<StudyUid, number>>> {
  const opened = new Map<string, Map<StudyUid, number>>()
  const old: string[] = []
  for await (const { key, value } of records.list(kind, Opened)) {
    const { who, study, at } = value
    if (!isWithin(dayMs, at, now)) {
      old.push(key)
      continue
    }
    const studies = opened.get(who) ?? new Map<StudyUid, number>()
    opened.set(who, studies.set(study, at))
  }
  if (old.length > 0) await records.write(old.map((key) => ({ type: 'del', kind, key })))
  return opened
}
