import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@libp2p/yamux'
import { tcp } from '@libp2p/tcp'
import { createLibp2p } from 'libp2p'
import type { Libp2p } from 'libp2p'
import type { PeerId } from '@libp2p/interface'
import type { PeerIdString } from '../ids.ts'
import { createNoiseCrypto } from './noise-crypto.ts'
import { privateKeyOf } from './peer-key.ts'
import type { HostOptions, TransportLimits } from './transport.ts'

/**
 * libp2p with TCP, Noise and yamux, and nothing else: no discovery, no identify, no relay. Peers outside the
 * allow-list are refused as soon as Noise has proved who they are, and are never dialled.
 */
export async function createLibp2pNode(
  options: Pick<HostOptions, 'key' | 'listen' | 'isAllowed'>,
  limits: TransportLimits,
): Promise<Libp2p> {
  const isDenied = (peer: PeerId): boolean => !options.isAllowed(peer.toString() as PeerIdString)
  return await createLibp2p({
    privateKey: privateKeyOf(options.key),
    addresses: { listen: [...options.listen] },
    transports: [tcp()],
    connectionEncrypters: [noise({ crypto: createNoiseCrypto() })],
    streamMuxers: [
      yamux({
        maxInboundStreams: limits.muxedStreamsMax,
        maxOutboundStreams: limits.muxedStreamsMax,
        streamOptions: {
          maxStreamWindowSize: limits.streamWindowBytes,
          maxReadBufferLength: limits.streamBufferBytes,
        },
      }),
    ],
    connectionGater: {
      denyDialPeer: isDenied,
      denyDialMultiaddr: () => false,
      denyInboundEncryptedConnection: isDenied,
      denyOutboundEncryptedConnection: isDenied,
    },
    connectionManager: {
      maxConnections: limits.connectionsMax,
      maxIncomingPendingConnections: limits.pendingConnectionsMax,
      inboundConnectionThreshold: limits.inboundConnectionsPerSecond,
      dialTimeout: limits.dialTimeoutMs,
      connectionCloseTimeout: limits.closeTimeoutMs,
    },
    // The defaults (5 s, first failure) close a busy thin connection.
    connectionMonitor: {
      pingInterval: limits.pingIntervalMs,
      pingTimeout: { minTimeout: limits.pingTimeoutMs - limits.pingIntervalMs },
    },
  })
}
