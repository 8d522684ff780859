import type { Connection as Libp2pConnection, Stream } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Libp2p } from 'libp2p'
import { CONTROL_PROTOCOL } from '../control.ts'
import { ProtocolError } from '../errors.ts'
import type { PeerIdString } from '../ids.ts'

/**
 * Opens a connection to a peer and its control stream. Always a new connection: an existing one that came from the
 * peer is its own to greet. A dial "succeeds" even where the other side's allow-list refuses us; opening the stream
 * shows it.
 */
export async function dialControl(
  node: Libp2p,
  peer: PeerIdString,
  { addresses, signal }: { addresses: readonly string[]; signal: AbortSignal },
): Promise<{ connection: Libp2pConnection; stream: Stream }> {
  const targets = addresses
    .map((address) => targetOf(address, peer))
    .filter((one) => one !== undefined)
  if (targets.length === 0) {
    throw new ProtocolError('holder_unreachable', 'the peer has no address to dial')
  }
  let connection: Libp2pConnection | undefined
  try {
    connection = await node.dial(targets, { force: true, signal })
    const stream = await connection.newStream(CONTROL_PROTOCOL, { signal })
    return { connection, stream }
  } catch (cause) {
    connection?.abort(new Error('no control stream'))
    throw dialError(cause)
  }
}

/** Always with `/p2p/<id>`, so that Noise refuses whoever else answers there. */
function targetOf(address: string, peer: PeerIdString): Multiaddr | undefined {
  try {
    const parsed = multiaddr(address)
    const named = parsed.getComponents().findLast((part) => part.name === 'p2p')?.value
    if (named === undefined) return parsed.encapsulate(`/p2p/${peer}`)
    return named === peer ? parsed : undefined
  } catch {
    return undefined
  }
}

function dialError(cause: unknown): ProtocolError {
  const causes = cause instanceof AggregateError ? (cause.errors as unknown[]) : [cause]
  const named = (name: string): boolean =>
    causes.every((one) => one instanceof Error && one.name === name)
  if (named('UnsupportedProtocolError')) {
    return new ProtocolError('unsupported', 'the peer does not speak our protocol', { cause })
  }
  const isOther = causes.every((one) => one instanceof Error && one.message.includes('not match'))
  if (named('EncryptionFailedError') && isOther) {
    return new ProtocolError('peer_mismatch', 'another key answers at this address', { cause })
  }
  return new ProtocolError('holder_unreachable', 'could not dial the peer', { cause })
}
