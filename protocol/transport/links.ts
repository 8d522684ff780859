import type { Connection as Libp2pConnection } from '@libp2p/interface'
import type { ErrorCode } from '../errors.ts'
import type { PeerIdString } from '../ids.ts'
import type { Control } from './control.ts'
import type { Connection } from './transport.ts'

/** A connection past its hello. */
export type Link = {
  peer: PeerIdString
  direction: 'inbound' | 'outbound'
  connection: Libp2pConnection
  control: Control
  api: Connection
}

/**
 * The live links of each peer. Two nodes that dial each other at once keep both connections: requests work on either,
 * and neither side has to guess which one the other keeps. A second inbound link replaces the first, which its
 * dialler must have lost to dial again.
 */
export function createLinks(onDisconnect: (peer: PeerIdString, code: ErrorCode) => void) {
  const links = new Map<PeerIdString, Link[]>()
  const of = (peer: PeerIdString): readonly Link[] => links.get(peer) ?? []
  return {
    of,
    /** The newest: after a link that died unnoticed it is the one that works. */
    live: (peer: PeerIdString): Link | undefined => of(peer).at(-1),
    on: (connection: Libp2pConnection): Link | undefined =>
      of(connection.remotePeer.toString() as PeerIdString).find(
        (link) => link.connection.id === connection.id,
      ),
    peers: (): PeerIdString[] => [...links.keys()],
    all: (): Link[] => [...links.values()].flat(),
    add(link: Link): void {
      const before = of(link.peer)
      links.set(link.peer, [...before, link])
      void link.control.closed.then((code) => {
        const rest = of(link.peer).filter((other) => other !== link)
        if (rest.length > 0) links.set(link.peer, rest)
        else if (links.delete(link.peer)) onDisconnect(link.peer, code)
      })
      if (link.direction === 'outbound') return
      for (const old of before) if (old.direction === 'inbound') old.control.close('conflict')
    },
  }
}
export type Links = ReturnType<typeof createLinks>
