import type { Holder, Region } from '../api/region.ts'
import type { Study } from '../api/studies.ts'

/** Where a study is stored, and what is known of that place now. */
export type HolderState = {
  name: string
  isOwn: boolean
  isReachable: boolean
  /** How old the copy of its list is; absent for one's own. */
  ageMs?: number
}

/** The row names its holder by name and by OID or AE title; either may be missing. */
export function holderOf(
  { holder, availability }: Pick<Study, 'holder' | 'availability'>,
  organization: { oid: string; name: string },
  region: Region | undefined,
): HolderState {
  const isOwn =
    holder.retrieveAe === organization.oid ||
    holder.name === organization.name ||
    (holder.name === '' && holder.retrieveAe === '')
  if (isOwn) return { name: organization.name, isOwn, isReachable: true }
  const known = region?.holders.find((one) => isSame(one, holder))
  return {
    name: holder.name === '' ? (known?.name ?? holder.retrieveAe) : holder.name,
    isOwn,
    isReachable: known?.reachable ?? availability !== 'OFFLINE',
    ...(known === undefined ? {} : { ageMs: known.ageMs }),
  }
}

const isSame = (one: Holder, { name, retrieveAe }: Study['holder']) =>
  one.oid === retrieveAe || one.name === name

/** The other organizations that cannot be reached, the longest silent first. */
export function silentHolders(region: Region | undefined, ownOid: string): Holder[] {
  const holders = region?.holders ?? []
  return holders
    .filter(({ oid, reachable }) => !reachable && oid !== ownOid)
    .toSorted((one, other) => other.ageMs - one.ageMs)
}
