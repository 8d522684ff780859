import { z } from 'zod'
import type { EventName, EventParams, Member } from '#protocol/control.ts'
import type { OrganizationOid, PeerIdString } from '#protocol/ids.ts'
import type { Connection } from '#protocol/transport/transport.ts'
import type { Credentials } from './credentials.ts'
import type { Store } from './store/store.ts'

/** Who can be reached where, and who is connected now. */
export type Directory = AsyncDisposable & {
  /** A node has greeted us; throws what keeps it out. */
  arrived(peer: PeerIdString, addresses: readonly string[]): Promise<void>
  /** Its presence has changed: everybody who is connected hears of it, a moment later and once for many. */
  changed(): void
  isOnline(oid: OrganizationOid): boolean
  online(): OrganizationOid[]
  members(): Member[]
  /** Pushes an event to a node that is connected; one that is not asks for the state when it comes back. */
  tell<E extends EventName>(oid: OrganizationOid, event: E, params: EventParams<E>): void
  tellAll<E extends EventName>(event: E, params: EventParams<E>): void
  connection(oid: OrganizationOid): Connection | undefined
}

const Addresses = z.array(z.string())
const announceDelayMs = 50

export async function openDirectory(deps: {
  store: Store
  credentials: Credentials
  connectionOf: (peer: PeerIdString) => Connection | undefined
}): Promise<Directory> {
  const { store, credentials, connectionOf } = deps
  const addresses = new Map<string, string[]>()
  let announcement: NodeJS.Timeout | undefined
  for (const { key, value } of await store.list('address/', { limit: 1000 })) {
    addresses.set(key.slice('address/'.length), Addresses.parse(JSON.parse(value)))
  }

  const connection = (oid: OrganizationOid): Connection | undefined => {
    const nodes = [credentials.organization(oid), credentials.retiring(oid)]
    return nodes.map((node) => node && connectionOf(node.peer)).find((one) => one !== undefined)
  }
  const online = (): OrganizationOid[] =>
    credentials
      .all()
      .filter(({ oid }) => connection(oid) !== undefined)
      .map(({ oid }) => oid)
  const members = (): Member[] =>
    credentials.all().map(({ oid, credential }) => ({
      credential,
      addresses: addresses.get(oid) ?? [],
      online: connection(oid) !== undefined,
      ...(credentials.lineage(oid).length > 0 && { lineage: [...credentials.lineage(oid)] }),
    }))
  const tellAll: Directory['tellAll'] = (event, params) => {
    for (const oid of online()) connection(oid)?.send(event, params)
  }
  return {
    async arrived(peer, said) {
      const organization = credentials.byPeer(peer)
      if (organization === undefined) return
      const { oid } = organization
      if (JSON.stringify(addresses.get(oid)) === JSON.stringify(said)) return
      await store.write([{ put: `address/${oid}`, value: JSON.stringify(said) }])
      addresses.set(oid, [...said])
    },
    changed() {
      announcement ??= setTimeout(() => {
        announcement = undefined
        tellAll('directory', { members: members() })
      }, announceDelayMs)
    },
    isOnline: (oid) => connection(oid) !== undefined,
    online,
    members,
    tell: (oid, event, params) => connection(oid)?.send(event, params),
    tellAll,
    connection,
    [Symbol.asyncDispose]() {
      clearTimeout(announcement)
      return Promise.resolve()
    },
  }
}
