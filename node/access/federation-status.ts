import type { OrganizationOid } from '#protocol/ids.ts'
import type { Members } from './members.ts'
import type { Transparency, TransparencyStatus } from './transparency.ts'

export type FederationStatus = {
  registry: { reachable: boolean; since: number }
  transparency: TransparencyStatus
  holders: { oid: OrganizationOid; name: string; reachable: boolean; ageMs: number }[]
}

/** How the region looks from here: who was heard of, and when. */
export function statusOf(
  { members, transparency }: { members: Members; transparency: Transparency },
  { reachable, since }: FederationStatus['registry'],
  now: number,
): FederationStatus {
  return {
    registry: { reachable, since },
    transparency: transparency.status(),
    holders: members.all().map(({ oid, name, online, seenAt }) => {
      const heardAt = reachable ? seenAt : Math.min(since, seenAt)
      const isHere = reachable && online
      return { oid, name, reachable: isHere, ageMs: isHere ? 0 : Math.max(0, now - heardAt) }
    }),
  }
}
