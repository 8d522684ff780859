import { z } from 'zod'
import { verifyCredential } from '#protocol/credential.ts'
import { ProtocolError } from '#protocol/errors.ts'
import { oidOf, PublicJwk } from '#protocol/ids.ts'
import type { Kid, OrganizationOid, PeerIdString } from '#protocol/ids.ts'
import { thumbprint } from '#protocol/keys.ts'
import { rekeyLimits } from '#protocol/limits.ts'
import { Ancestor, verifyRekey } from '#protocol/rekey.ts'
import type { Store } from './store/store.ts'
import type { Journal, NewEntry } from './transparency/journal.ts'
import type { Trust } from './trust.ts'
import { createTurns } from '#protocol/turns.ts'

/** An organization of the federation, by its newest credential. */
export type Organization = {
  oid: OrganizationOid
  name: string
  peer: PeerIdString
  kid: Kid
  jwk: PublicJwk
  credential: string
  issuedAt: number
  expiresAt: number
  /** The key that this one follows, as the credential says. */
  prevKid?: Kid
}

/**
 * The published credentials. They are issued elsewhere (the issuing ceremony stays with `certs`); here they are
 * checked, kept and looked up. An organization has one key at a time and a key has one organization.
 */
export type Credentials = {
  organization(oid: OrganizationOid): Organization | undefined
  byPeer(peer: PeerIdString): Organization | undefined
  all(): Organization[]
  /** A key the organization has, or had: entries of its index log outlive its keys. */
  keyOf(oid: OrganizationOid, kid: Kid): PublicJwk | undefined
  /** Earlier credentials, the newest first. */
  lineage(oid: OrganizationOid): readonly Ancestor[]
  /** The node that still runs under the key before, while the two overlap. */
  retiring(oid: OrganizationOid): Organization | undefined
  /**
   * Takes a credential; one that is known already changes nothing. `rekey`: the word of the old key and the new one,
   * without which the new key inherits nothing.
   */
  publish(credential: string, rekey?: string): Promise<Organization>
  /** Looks anew who is vouched for, after the trust list has changed. */
  refresh(): Promise<void>
}

const rowsPerPage = 500

type Deps = { store: Store; journal: Journal; trust: Trust; clock: () => number }

export async function openCredentials(deps: Deps): Promise<Credentials> {
  const { store, journal, clock } = deps
  let current = await readCurrent(deps)
  const keys = await readKeys(store)
  const ancestors = await readAncestors(store)
  let retiring = await readRetiring(deps, ancestors)
  const inTurn = createTurns()
  const isLive = (organization: Organization): boolean => clock() < organization.expiresAt
  const retiringOf = (oid: OrganizationOid): Organization | undefined => {
    const [before, now] = [retiring.get(oid), current.get(oid)]
    if (before === undefined || now === undefined || !isLive(before)) return undefined
    return clock() < now.issuedAt * 1000 + rekeyLimits.overlapMs ? before : undefined
  }
  const publish: Credentials['publish'] = async (credential, rekey) => {
    const organization = await read(deps, credential)
    const { oid, kid, jwk, peer, issuedAt } = organization
    const before = current.get(oid)
    if (before?.credential === credential) return before
    if ([...current.values()].some((other) => other.peer === peer && other.oid !== oid)) {
      throw new ProtocolError('conflict', 'the key belongs to another organization')
    }
    if (before !== undefined && before.issuedAt > issuedAt) {
      throw new ProtocolError('conflict', 'a later credential is published already')
    }
    const lineage = await lineageAfter(ancestors.get(oid) ?? [], {
      before,
      organization,
      rekey,
      now: clock(),
    })
    await journal.write(entriesOf(credential, rekey), [
      { put: `credential/${oid}`, value: credential },
      { put: `key/${oid}/${kid}`, value: JSON.stringify(jwk) },
      { put: `lineage/${oid}`, value: JSON.stringify(lineage) },
    ])
    if (rekey === undefined && before?.kid !== kid) retiring.delete(oid)
    else if (before !== undefined && before.kid !== kid) retiring.set(oid, before)
    ancestors.set(oid, lineage)
    current.set(oid, organization)
    keys.set(`${oid}/${kid}`, jwk)
    return organization
  }

  return {
    organization(oid) {
      const found = current.get(oid)
      return found !== undefined && isLive(found) ? found : undefined
    },
    byPeer: (peer) =>
      [...current.values()].find((one) => one.peer === peer && isLive(one)) ??
      [...retiring.keys()].map(retiringOf).find((one) => one?.peer === peer),
    all: () => [...current.values()].filter(isLive),
    keyOf: (oid, kid) => keys.get(`${oid}/${kid}`),
    lineage: (oid) => ancestors.get(oid) ?? [],
    retiring: retiringOf,
    publish: (credential, rekey) => inTurn(() => publish(credential, rekey)),
    refresh: () =>
      inTurn(async () => {
        const read = await readCurrent(deps)
        retiring = await readRetiring(deps, ancestors)
        current = read
      }),
  }
}

/** One that has run out since, or whose issuer is no longer trusted, names nobody any more. */
async function readCurrent(deps: Deps): Promise<Map<OrganizationOid, Organization>> {
  const current = new Map<OrganizationOid, Organization>()
  for (const { value } of await deps.store.list('credential/', { limit: 1000 })) {
    const organization = await read(deps, value).catch(() => undefined)
    if (organization !== undefined) current.set(organization.oid, organization)
  }
  return current
}

async function readRetiring(
  deps: Deps,
  ancestors: ReadonlyMap<OrganizationOid, readonly Ancestor[]>,
): Promise<Map<OrganizationOid, Organization>> {
  const retiring = new Map<OrganizationOid, Organization>()
  for (const [oid, [newest]] of ancestors) {
    if (newest?.rekey === undefined) continue
    const before = await read(deps, newest.credential).catch(() => undefined)
    if (before !== undefined) retiring.set(oid, before)
  }
  return retiring
}

async function read({ trust, clock }: Deps, credential: string): Promise<Organization> {
  const { claims } = await verifyCredential(credential, { trust: trust.list(), now: clock() })
  return {
    oid: oidOf(claims.sub),
    name: claims.name,
    peer: claims.peer_id,
    kid: await thumbprint(claims.cnf.jwk),
    jwk: claims.cnf.jwk,
    credential,
    issuedAt: claims.iat,
    expiresAt: claims.exp * 1000,
    ...(claims.prev_kid !== undefined && { prevKid: claims.prev_kid }),
  }
}

/** The word of both keys stands before the credential that follows it. */
const entriesOf = (credential: string, rekey: string | undefined): NewEntry[] => [
  ...(rekey === undefined ? [] : [{ kind: 'rekey' as const, token: rekey }]),
  { kind: 'credential', token: credential },
]

/** A renewal of the same key adds nothing; another key puts the one before it into the line. */
async function lineageAfter(
  lineage: readonly Ancestor[],
  given: {
    before: Organization | undefined
    organization: Organization
    rekey: string | undefined
    now: number
  },
): Promise<Ancestor[]> {
  const { before, organization, rekey, now } = given
  if (before === undefined || before.kid === organization.kid) return [...lineage]
  if (rekey !== undefined) {
    const { next } = await verifyRekey(rekey, {
      keyOf: (kid, oid) => (oid === before.oid && kid === before.kid ? before.jwk : undefined),
      now,
    })
    if (next !== organization.kid || organization.prevKid !== before.kid) {
      throw new ProtocolError('rekey_unproven', 'the credential is not of the key that follows')
    }
  }
  const ancestor = { credential: before.credential, ...(rekey !== undefined && { rekey }) }
  return [ancestor, ...lineage].slice(0, rekeyLimits.ancestorsMax)
}

async function readAncestors(store: Store): Promise<Map<OrganizationOid, Ancestor[]>> {
  const rows = await store.list('lineage/', { limit: 1000 })
  const read = z.array(Ancestor)
  return new Map(
    rows.map(({ key, value }) => [
      key.slice('lineage/'.length) as OrganizationOid,
      read.parse(JSON.parse(value)),
    ]),
  )
}

async function readKeys(store: Store): Promise<Map<string, PublicJwk>> {
  const keys = new Map<string, PublicJwk>()
  for (let after: string | undefined; ;) {
    const page = { limit: rowsPerPage, ...(after !== undefined && { after }) }
    const rows = await store.list('key/', page)
    for (const { key, value } of rows) {
      keys.set(key.slice('key/'.length), PublicJwk.parse(JSON.parse(value)))
    }
    if (rows.length < rowsPerPage) return keys
    after = rows.at(-1)?.key
  }
}
