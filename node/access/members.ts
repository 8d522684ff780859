import { z } from 'zod'
import { Member as DirectoryEntry } from '#protocol/control.ts'
import { credentialFacts, verifyCredential } from '#protocol/credential.ts'
import type { Credential, CredentialFacts } from '#protocol/credential.ts'
import { codeOf } from '#protocol/errors.ts'
import { rekeyLimits } from '#protocol/limits.ts'
import { oidOf, PublicJwk } from '#protocol/ids.ts'
import type { Kid, OrganizationOid, PeerIdString } from '#protocol/ids.ts'
import { Ancestor, readLineage } from '#protocol/rekey.ts'
import type { Lineage } from '#protocol/rekey.ts'
import { isWithin } from '#protocol/times.ts'
import type { TrustList } from '#protocol/trust-list.ts'
import type { Log } from '../log.ts'
import type { RecordChange, Records } from '../store/records.ts'

/** A key of before; it spoke from its credential's beginning until the key after it had been there for the overlap. */
export type EarlierKey = { kid: Kid; jwk: PublicJwk; from: number; until: number }

/** Another organization, by its verified credential. */
export type Member = {
  oid: OrganizationOid
  name: string
  peer: PeerIdString
  kid: Kid
  jwk: PublicJwk
  facts: CredentialFacts
  /** The compact credential. */
  credential: string
  lineage: readonly Ancestor[]
  /** The node under the key before, while the two overlap. */
  retiring?: { peer: PeerIdString; kid: Kid; jwk: PublicJwk; facts: CredentialFacts }
  /** Keys it had before: what they signed stays signed. */
  earlier: readonly EarlierKey[]
  /** Where its node was last said to listen. */
  addresses: readonly string[]
  /** As the registry last said. */
  online: boolean
  /** When the registry last said that it was connected, milliseconds. */
  seenAt: number
}

/** The directory of the federation. It comes from the registry, but every line is believed for its credential alone. */
export type Members = {
  all(): Member[]
  get(oid: OrganizationOid): Member | undefined
  byPeer(peer: PeerIdString): Member | undefined
  /** A key that the organization has or had: what it signed outlives its keys. */
  keyOf(oid: OrganizationOid, kid: Kid): PublicJwk | undefined
  /** The key of this name, if the organization spoke by it at that time. */
  keyAt(oid: OrganizationOid, kid: Kid, at: number): PublicJwk | undefined
  /** The whole directory: who is not in it is no member any more. */
  replace(entries: readonly DirectoryEntry[]): Promise<void>
}

type Deps = {
  self: OrganizationOid
  trust: () => TrustList
  now: () => number
  records: Pick<Records, 'get' | 'write' | 'list'>
  log: Log
}

const Stored = z.strictObject({
  credential: z.string(),
  lineage: z.array(Ancestor).default([]),
  addresses: z.array(z.string()),
  seenAt: z.int(),
})

export async function openMembers(deps: Deps): Promise<Members> {
  const { records, now } = deps
  const keys = new Map<string, PublicJwk>()
  for await (const { key, value } of records.list('member-key', PublicJwk)) {
    keys.set(key, value)
  }
  let members = new Map<OrganizationOid, Member>()
  for await (const { value } of records.list('member', Stored)) {
    const { credential, lineage, addresses, seenAt } = value
    const read = await readMember(deps, { credential, lineage, addresses, online: false })
    if (read !== undefined) members.set(read.oid, { ...read, seenAt })
  }
  const isLive = ({ facts }: Member): boolean => now() < facts.expiresAt

  const replace = async (entries: readonly DirectoryEntry[]): Promise<void> => {
    const next = new Map<OrganizationOid, Member>()
    for (const entry of entries) {
      const before = [...members.values()].find(
        ({ credential, lineage }) =>
          credential === entry.credential && isSameLine(lineage, entry.lineage ?? []),
      )
      const read = before ?? (await readMember(deps, entry))
      if (read === undefined || read.oid === deps.self) continue
      const known = members.get(read.oid)
      const seenAt = entry.online ? now() : (known?.seenAt ?? 0)
      // A registry that lost its notes of addresses must not take ours.
      const isSilent = entry.addresses.length === 0 && known?.peer === read.peer
      const addresses = isSilent ? known.addresses : entry.addresses
      if (isBetter(read, next)) {
        next.set(read.oid, { ...read, addresses, online: entry.online, seenAt })
      }
    }
    await records.write(changesBetween(members, next))
    for (const { oid, kid, jwk, earlier } of next.values()) {
      for (const one of [...earlier, { kid, jwk }]) keys.set(`${oid}/${one.kid}`, one.jwk)
    }
    members = next
  }
  return {
    all: () => [...members.values()].filter(isLive),
    get(oid) {
      const member = members.get(oid)
      return member !== undefined && isLive(member) ? member : undefined
    },
    byPeer: (peer) =>
      [...members.values()].find((one) => one.peer === peer && isLive(one)) ??
      retiringBy(members, peer, now()),
    keyOf: (oid, kid) => keys.get(`${oid}/${kid}`),
    keyAt: (oid, kid, at) => keyAt(members.get(oid), kid, at),
    replace,
  }
}

async function readMember(
  { trust, now, log }: Deps,
  entry: DirectoryEntry,
): Promise<Member | undefined> {
  try {
    const { claims } = await verifyCredential(entry.credential, { trust: trust(), now: now() })
    const facts = await credentialFacts(claims)
    const lineage = entry.lineage ?? []
    const { keys, follows } = await readLineage(claims, lineage, trust())
    const [before] = keys
    const isRetiring = before !== undefined && follows[0] === before.kid
    return {
      oid: oidOf(claims.sub),
      name: claims.name,
      peer: claims.peer_id,
      kid: facts.kid,
      jwk: claims.cnf.jwk,
      facts: follows.length > 0 ? { ...facts, follows } : facts,
      credential: entry.credential,
      lineage,
      earlier: keys.map((one, index) => earlierOf(one, keys[index - 1]?.credential ?? claims)),
      ...(isRetiring && { retiring: await retiringOf(before, claims.iat) }),
      addresses: entry.addresses,
      online: entry.online,
      seenAt: 0,
    }
  } catch (error) {
    log.warn({ code: codeOf(error) }, 'a credential of the directory is not valid')
    return undefined
  }
}

function earlierOf(
  { kid, jwk, credential }: Lineage['keys'][number],
  next: Credential,
): EarlierKey {
  const until = Math.min(credential.exp * 1000, next.iat * 1000 + rekeyLimits.overlapMs)
  return { kid, jwk, from: credential.nbf * 1000, until }
}

function keyAt(member: Member | undefined, kid: Kid, at: number): PublicJwk | undefined {
  if (member === undefined) return undefined
  const { facts, jwk, earlier } = member
  const present = { kid: member.kid, jwk, from: facts.notBefore, until: facts.expiresAt }
  const found = [present, ...earlier].find((one) => one.kid === kid)
  return found !== undefined && isWithin({ from: found.from, to: found.until }, at)
    ? found.jwk
    : undefined
}

/** One credential for an organization and one organization for a key: the later credential counts. */
function isBetter(read: Member, chosen: ReadonlyMap<OrganizationOid, Member>): boolean {
  return [...chosen.values()].every(
    (other) =>
      (other.oid !== read.oid && other.peer !== read.peer) ||
      (other.oid === read.oid && other.facts.notBefore < read.facts.notBefore),
  )
}

function changesBetween(
  before: ReadonlyMap<OrganizationOid, Member>,
  next: ReadonlyMap<OrganizationOid, Member>,
): RecordChange[] {
  const changes: RecordChange[] = []
  for (const oid of before.keys()) {
    if (!next.has(oid)) changes.push({ type: 'del', kind: 'member', key: oid })
  }
  for (const member of next.values()) {
    const { oid, kid, jwk, credential, lineage, earlier, addresses, online, seenAt } = member
    const known = before.get(oid)
    const isSame =
      known?.credential === credential &&
      isSameLine(known.lineage, lineage) &&
      known.online === online &&
      known.addresses.join() === addresses.join()
    if (isSame) continue
    const value = { credential, lineage: [...lineage], addresses: [...addresses], seenAt }
    changes.push({ type: 'put', kind: 'member', key: oid, value })
    if (known?.kid === kid && known.earlier.length === earlier.length) continue
    for (const one of [...earlier, { kid, jwk }]) {
      changes.push({ type: 'put', kind: 'member-key', key: `${oid}/${one.kid}`, value: one.jwk })
    }
  }
  return changes
}

const isSameLine = (one: readonly Ancestor[], other: readonly Ancestor[]): boolean =>
  one.length === other.length &&
  one.every(({ credential, rekey }, at) => {
    const there = other[at]
    return there?.credential === credential && there.rekey === rekey
  })

/** The credential before, for as long as the two overlap. */
async function retiringOf({ kid, jwk, credential }: Lineage['keys'][number], followedAt: number) {
  const facts = await credentialFacts(credential)
  const expiresAt = Math.min(facts.expiresAt, followedAt * 1000 + rekeyLimits.overlapMs)
  return { peer: credential.peer_id, kid, jwk, facts: { ...facts, expiresAt } }
}

function retiringBy(
  members: ReadonlyMap<OrganizationOid, Member>,
  peer: PeerIdString,
  now: number,
): Member | undefined {
  for (const { retiring, ...member } of members.values()) {
    if (retiring?.peer === peer && now < retiring.facts.expiresAt) return { ...member, ...retiring }
  }
  return undefined
}
