import type { Kid, OrganizationOid, UserId } from '#protocol/ids.ts'
import type { Store, Write } from './store/store.ts'

/** Who is out for the time being; every holder's epoch says so. */
export type Withdrawals = {
  organizations(): OrganizationOid[]
  kids(): Kid[]
  users(): UserId[]
  isSuspended(oid: OrganizationOid): boolean
  /** True when this changed anything. */
  set(what: Withdrawn, off: boolean): Promise<boolean>
}
export type Withdrawn =
  | { organization: OrganizationOid }
  | { kid: Kid }
  /** Dismissed, or out of this work for another reason. */
  | { user: UserId }

const withdrawalsMax = 3000

export async function openWithdrawals(store: Store): Promise<Withdrawals> {
  const rows = await store.list('off/', { limit: withdrawalsMax })
  const off = new Set(rows.map(({ key }) => key))
  const under = (prefix: string): string[] =>
    [...off].filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length))
  return {
    organizations: () => under('off/mo/') as OrganizationOid[],
    kids: () => under('off/kid/') as Kid[],
    users: () => under('off/user/') as UserId[],
    isSuspended: (oid) => off.has(`off/mo/${oid}`),
    async set(what, isOff) {
      const key = keyOf(what)
      if (off.has(key) === isOff) return false
      const write: Write = isOff ? { put: key, value: 'off' } : { del: key }
      await store.write([write])
      if (isOff) off.add(key)
      else off.delete(key)
      return true
    },
  }
}

function keyOf(what: Withdrawn): string {
  if ('organization' in what) return `off/mo/${what.organization}`
  return 'kid' in what ? `off/kid/${what.kid}` : `off/user/${what.user}`
}
