import type { Kid, OrganizationOid, UserId } from '#protocol/ids.ts'
import type { Store, Write } from './store/store.ts'
import type { Journal, NewEntry } from './transparency/journal.ts'

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

/** `suspended`: by the configuration, and for as long as they stand there. */
export async function openWithdrawals(
  { store, journal }: { store: Store; journal: Journal },
  suspended: readonly OrganizationOid[],
): Promise<Withdrawals> {
  const rows = await store.list('off/', { limit: withdrawalsMax })
  const off = new Set(rows.map(({ key }) => key))
  const configured = suspended.map((organization) => keyOf({ organization }))
  const all = (): string[] => [...new Set([...off, ...configured])].sort()
  const under = (prefix: string): string[] =>
    all()
      .filter((key) => key.startsWith(prefix))
      .map((key) => key.slice(prefix.length))
  return {
    organizations: () => under('off/mo/') as OrganizationOid[],
    kids: () => under('off/kid/') as Kid[],
    users: () => under('off/user/') as UserId[],
    isSuspended: (oid) => all().includes(keyOf({ organization: oid })),
    async set(what, isOff) {
      const key = keyOf(what)
      if (off.has(key) === isOff) return false
      const write: Write = isOff ? { put: key, value: 'off' } : { del: key }
      await journal.write(entryOf(what, isOff || configured.includes(key)), [write])
      if (isOff) off.add(key)
      else off.delete(key)
      return true
    },
  }
}

/** Who has been dismissed is in the sets of grants alone: the log names no people. */
function entryOf(what: Withdrawn, isOff: boolean): NewEntry[] {
  if ('kid' in what) return isOff ? [{ kind: 'key-revocation', kid: what.kid }] : []
  if (!('organization' in what)) return []
  const { organization: org } = what
  return [{ kind: 'suspension', org, state: isOff ? 'imposed' : 'lifted' }]
}

function keyOf(what: Withdrawn): string {
  if ('organization' in what) return `off/mo/${what.organization}`
  return 'kid' in what ? `off/kid/${what.kid}` : `off/user/${what.user}`
}
