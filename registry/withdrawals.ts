import type { Kid, OrganizationOid, UserId } from '#protocol/ids.ts'
import { ProtocolError } from '#protocol/errors.ts'
import { epochLimits } from '#protocol/limits.ts'
import { createTurns } from '#protocol/turns.ts'
import type { Store, Write } from './store/store.ts'
import type { Journal, NewEntry } from './transparency/journal.ts'

/** Who is out for the time being; every holder's epoch says so. */
export type Withdrawals = {
  organizations(): OrganizationOid[]
  kids(): Kid[]
  users(): UserId[]
  isSuspended(oid: OrganizationOid): boolean
  /**
   * True when this changed anything for the holders. What the operator has said, an organization does not take back.
   */
  set(what: Withdrawn, off: boolean, by?: Speaker): Promise<boolean>
}
export type Withdrawn =
  | { organization: OrganizationOid }
  | { kid: Kid }
  /** Dismissed, or out of this work for another reason. */
  | { user: UserId }

/** Who says so: the operator, or the person's own organization. */
export type Speaker = 'operator' | 'organization'

const withdrawalsMax = 3 * epochLimits.offMax
const valueOf = { operator: 'off', organization: 'left' } as const

/** `suspended`: by the configuration, and for as long as they stand there. */
export async function openWithdrawals(
  { store, journal }: { store: Store; journal: Journal },
  suspended: readonly OrganizationOid[],
): Promise<Withdrawals> {
  const inTurn = createTurns()
  const rows = await store.list('off/', { limit: withdrawalsMax })
  const off = new Map(rows.map(({ key, value }) => [key, value]))
  const configured = suspended.map((organization) => keyOf({ organization }))
  const all = (): string[] => [...new Set([...off.keys(), ...configured])].sort()
  const under = (prefix: string): string[] =>
    all()
      .filter((key) => key.startsWith(prefix))
      .map((key) => key.slice(prefix.length))
  return {
    organizations: () => under('off/mo/') as OrganizationOid[],
    kids: () => under('off/kid/') as Kid[],
    users: () => under('off/user/') as UserId[],
    isSuspended: (oid) => all().includes(keyOf({ organization: oid })),
    set: (what, isOff, by = 'operator') =>
      inTurn(async () => {
        const key = keyOf(what)
        const [before, value] = [off.get(key), valueOf[by]]
        const isSettled = before === valueOf.operator && by === 'organization'
        if (isSettled || before === (isOff ? value : undefined)) return false
        if (isOff && before === undefined) refuseTooMany(under(placeOf(what)))
        const write: Write = isOff ? { put: key, value } : { del: key }
        const isNew = before === undefined || !isOff
        const entries = isNew ? entryOf(what, isOff || configured.includes(key)) : []
        await journal.write(entries, [write])
        if (isOff) off.set(key, value)
        else off.delete(key)
        return isNew
      }),
  }
}

/** Who has been dismissed is in the sets of grants alone: the log names no people. */
function entryOf(what: Withdrawn, isOff: boolean): NewEntry[] {
  if ('kid' in what) return isOff ? [{ kind: 'key-revocation', kid: what.kid }] : []
  if (!('organization' in what)) return []
  const { organization: org } = what
  return [{ kind: 'suspension', org, state: isOff ? 'imposed' : 'lifted' }]
}

/** One more would not fit into any epoch, and no holder would hear of anything again. */
function refuseTooMany(already: readonly string[]): void {
  if (already.length >= epochLimits.offMax) {
    throw new ProtocolError('too_large', 'too many are switched off')
  }
}

function placeOf(what: Withdrawn): string {
  if ('organization' in what) return 'off/mo/'
  return 'kid' in what ? 'off/kid/' : 'off/user/'
}

function keyOf(what: Withdrawn): string {
  const name = 'organization' in what ? what.organization : 'kid' in what ? what.kid : what.user
  return `${placeOf(what)}${name}`
}
