import { PROTOCOL_VERSION } from '#protocol/control.ts'
import type { Params, Result } from '#protocol/control.ts'
import { verifyCredential } from '#protocol/credential.ts'
import { ProtocolError } from '#protocol/errors.ts'
import type { OrganizationOid, PeerIdString } from '#protocol/ids.ts'
import type { Connection, Handlers, Host, HostOptions } from '#protocol/transport/transport.ts'
import type { Federation } from './federation.ts'

/** How this node greets others, whom it accepts, and how it reaches a holder. */
export type Peers = {
  /** Parts of `HostOptions`. */
  readonly greeting: Required<Pick<HostOptions, 'isAllowed' | 'hello' | 'acceptHello'>> & {
    handlers: Required<Pick<Handlers, 'hello'>>
  }
  /** A live connection to a holder, dialled where the directory says. */
  connect(holder: OrganizationOid, signal?: AbortSignal): Promise<Connection>
}

/**
 * Both sides of a greeting show their credential, so that a node that the registry has enrolled a moment ago is not
 * turned away by one that has not heard of it; what a credential says is believed for its signature and for the key
 * that Noise proved.
 */
export function createPeers(deps: { federation: Federation; host: () => Host | undefined }): Peers {
  const { federation } = deps
  const check = (peer: PeerIdString): void => {
    if (!federation.isAllowed(peer)) throw new ProtocolError('peer_unknown', 'not a member')
  }
  const greet = async (peer: PeerIdString, credential: string | undefined): Promise<void> => {
    check(peer)
    if (peer === federation.registryPeer()) return
    if (credential === undefined) throw new ProtocolError('unauthenticated', 'no credential')
    const known = federation.memberByPeer(peer)
    if (known?.credential === credential) return
    const now = federation.now()
    const { claims } = await verifyCredential(credential, { trust: federation.trust(), now })
    if (claims.peer_id !== peer)
      throw new ProtocolError('peer_mismatch', 'another key’s credential')
  }
  const addresses = (): string[] => deps.host()?.addresses().slice(0, 16) ?? []
  const ours = { version: PROTOCOL_VERSION, credential: federation.self.credential }
  return {
    greeting: {
      isAllowed: (peer) => federation.isAllowed(peer),
      hello: (): Params<'hello'> => ({ ...ours, addresses: addresses() }),
      acceptHello: (peer, hello) => greet(peer, hello.credential),
      handlers: {
        async hello(hello, { peer }): Promise<Result<'hello'>> {
          await greet(peer, hello.credential)
          return ours
        },
      },
    },
    async connect(holder, signal) {
      const member = federation.member(holder)
      const host = deps.host()
      if (member === undefined || host === undefined) {
        throw new ProtocolError('holder_unreachable', 'the holder is not in the directory')
      }
      check(member.peer)
      return await host.connect(member.peer, member.addresses, signal)
    },
  }
}
