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

/** The row names its holder by OID, and by as much of the name as DICOM has room for. */
export function holderOf(
  { holder, availability }: Pick<Study, 'holder' | 'availability'>,
  organization: { oid: string; name: string },
  region: Region | undefined,
): HolderState {
  const isOwn = holder.oid === organization.oid || holder.oid === ''
  if (isOwn) return { name: organization.name, isOwn, isReachable: true }
  const known = region?.holders.find(({ oid }) => oid === holder.oid)
  return {
    name: known?.name ?? (holder.name === '' ? holder.oid : holder.name),
    isOwn,
    isReachable: known?.reachable ?? availability !== 'OFFLINE',
    ...(known === undefined ? {} : { ageMs: known.ageMs }),
  }
}

/** The other organizations that cannot be reached, the longest silent first. */
export function silentHolders(region: Region | undefined, ownOid: string): Holder[] {
  const holders = region?.holders ?? []
  return holders
    .filter(({ oid, reachable }) => !reachable && oid !== ownOid)
    .toSorted((one, other) => other.ageMs - one.ageMs)
}
