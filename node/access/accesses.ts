import { z } from 'zod'
import type { OrganizationOid, StudyUid, UserId } from '#protocol/ids.ts'
import { AccessRow } from '#protocol/control.ts'
import { reconciliationLimits } from '#protocol/limits.ts'
import type { Records } from '../store/records.ts'
import { createTurns } from '#protocol/turns.ts'

/** What this node is in an access. */
export type Side = 'holder' | 'grantee'

/** An access is known by its assertion; by the time of that both sides sort it into the same day. */
export type AccessId = {
  side: Side
  /** The other organization. */
  peer: OrganizationOid
  req: string
  /** `iat` of the assertion, seconds. */
  asked: number
}

/** Accesses between this organization and others, one row each, as both sides compare them; kept for some weeks. */
export type Accesses = {
  /** On the disk when it resolves. */
  begun(id: AccessId, what: { study: StudyUid; user: UserId }): Promise<void>
  /** Adds what is known by now; nothing when the access is not known here. */
  add(id: AccessId, known: Partial<AccessRow>): Promise<AccessRow | undefined>
  find(id: AccessId): Promise<AccessRow | undefined>
  /** Of one day with one organization, in the order of their numbers. */
  page(of: AccessesOf & { after?: string; limit: number }): Promise<AccessRow[]>
  /** Lets go what is older than rows are kept. */
  prune(now: number): Promise<void>
}

export type AccessesOf = { side: Side; peer: OrganizationOid; day: string }

const kind = 'access'
export const dayMs = 24 * 3600 * 1000
/** UTC, so that both sides cut at the same moment. */
export const dayOf = (now: number): string => new Date(now).toISOString().slice(0, 10)

const placeOf = ({ side, peer, day }: AccessesOf): string => `${day}/${side}/${peer}/`
const keyOf = ({ req, asked, ...id }: AccessId): string =>
  `${placeOf({ ...id, day: dayOf(asked * 1000) })}${req}`

export function createAccesses(records: Pick<Records, 'get' | 'put' | 'list' | 'write'>): Accesses {
  const inTurn = createTurns()
  const read = async (key: string): Promise<AccessRow | undefined> => {
    const value = await records.get(kind, key)
    return value === undefined ? undefined : AccessRow.parse(value)
  }
  return {
    begun: (id, { study, user }) => records.put(kind, keyOf(id), { req: id.req, study, user }),
    add: (id, known) =>
      inTurn(async () => {
        const row = await read(keyOf(id))
        if (row === undefined) return undefined
        const next = { ...row, ...known }
        await records.put(kind, keyOf(id), next)
        return next
      }),
    find: (id) => read(keyOf(id)),
    async page({ after, limit, ...of }) {
      const place = placeOf(of)
      const found: AccessRow[] = []
      for await (const { key, value } of records.list(kind, AccessRow, {
        after: `${place}${after ?? ''}`,
        limit,
      })) {
        if (!key.startsWith(place)) break
        found.push(value)
      }
      return found
    },
    async prune(now) {
      const until = dayOf(now - reconciliationLimits.keptDays * dayMs)
      await pruneBefore(records, kind, until)
    },
  }
}

/** Deletes the records of a kind whose key, which begins with a day, is before that day. */
export async function pruneBefore(
  records: Pick<Records, 'list' | 'write'>,
  kindOf: string,
  until: string,
): Promise<void> {
  for (;;) {
    const old: string[] = []
    for await (const { key } of records.list(kindOf, z.unknown(), {
      limit: reconciliationLimits.pageRows,
    })) {
      if (key >= until) break
      old.push(key)
    }
    if (old.length === 0) return
    await records.write(old.map((key) => ({ type: 'del', kind: kindOf, key })))
  }
}
