import { verifyCredential } from '#protocol/credential.ts'
import { ProtocolError } from '#protocol/errors.ts'
import { oidOf, PublicJwk } from '#protocol/ids.ts'
import type { Kid, OrganizationOid, PeerIdString } from '#protocol/ids.ts'
import { thumbprint } from '#protocol/keys.ts'
import type { Store } from './store/store.ts'
import type { Journal } from './transparency/journal.ts'
import type { Trust } from './trust.ts'

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
  /** Takes a credential; one that is known already changes nothing. */
  publish(credential: string): Promise<Organization>
}

const rowsPerPage = 500

type Deps = { store: Store; journal: Journal; trust: Trust; clock: () => number }

export async function openCredentials(deps: Deps): Promise<Credentials> {
  const { store, journal, clock } = deps
  const current = new Map<OrganizationOid, Organization>()
  const keys = await readKeys(store)
  for (const { value } of await store.list('credential/', { limit: 1000 })) {
    // One that has run out since, or whose issuer is no longer trusted, names nobody any more.
    const organization = await read(deps, value).catch(() => undefined)
    if (organization !== undefined) current.set(organization.oid, organization)
  }
  const isLive = (organization: Organization): boolean => clock() < organization.expiresAt

  return {
    organization(oid) {
      const found = current.get(oid)
      return found !== undefined && isLive(found) ? found : undefined
    },
    byPeer: (peer) => [...current.values()].find((one) => one.peer === peer && isLive(one)),
    all: () => [...current.values()].filter(isLive),
    keyOf: (oid, kid) => keys.get(`${oid}/${kid}`),
    async publish(credential) {
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
      await journal.write(
        [{ kind: 'credential', token: credential }],
        [
          { put: `credential/${oid}`, value: credential },
          { put: `key/${oid}/${kid}`, value: JSON.stringify(jwk) },
        ],
      )
      current.set(oid, organization)
      keys.set(`${oid}/${kid}`, jwk)
      return organization
    },
  }
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
  }
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
