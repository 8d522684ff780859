import { connect, type Socket } from 'node:net'
import { ProtocolError } from '#protocol/errors.ts'
import { storeRequest } from './command-set.ts'
import type { DimseLimits, Link } from './link.ts'
import {
  abortPdu,
  abortReason,
  abortSource,
  commandPdu,
  control,
  dataHeader,
  releaseRequestPdu,
} from './pdu.ts'
import { createPeer } from './scu-peer.ts'
import type { StoreItem } from './scu.ts'
import type { Outcome } from './status.ts'
import { within } from './within.ts'

/** What one presentation context proposes. */
export type Pair = { abstractSyntax: string; transferSyntax: string }

export const pairKey = ({ abstractSyntax, transferSyntax }: Pair): string =>
  `${abstractSyntax} ${transferSyntax}`

export type ScuAssociation = {
  readonly isOpen: boolean
  proposes(pair: Pair): boolean
  /** `undefined` when the peer did not accept it. */
  contextFor(pair: Pair): number | undefined
  /** Throws when the association is lost on the way. */
  store(context: number, item: StoreItem): Promise<Outcome>
  /** Says goodbye and waits for the peer's answer, not for long. */
  release(): Promise<void>
}

export type ScuAssociationOptions = {
  host: string
  port: number
  callingAe: string
  calledAe: string
  pairs: readonly Pair[]
  limits: DimseLimits
}

/** Opens an association as its user; throws `unavailable` when the peer cannot be had. */
export async function openAssociation(options: ScuAssociationOptions): Promise<ScuAssociation> {
  const { limits, pairs } = options
  const peer = createPeer(await connected(options), options)
  const { link } = peer
  try {
    const negotiated = await within(peer.negotiate(), limits.responseTimeoutMs)
    const pduBytes = pduBytesFor(negotiated.maximumPduBytes, limits)
    const proposed = new Set(pairs.map(pairKey))
    const contexts = new Map([...negotiated.accepted].map(([id, pair]) => [pairKey(pair), id]))
    let messageId = 0
    return {
      get isOpen() {
        return !link.isClosing
      },
      proposes: (pair) => proposed.has(pairKey(pair)),
      contextFor: (pair) => contexts.get(pairKey(pair)),
      async store(context, item) {
        messageId = (messageId % 65_535) + 1
        const response = peer.response(messageId)
        // Awaited below; until then its failure shows in the sending as well.
        response.catch(() => undefined)
        try {
          link.send(commandPdu(context, storeRequest(messageId, item.sopClass, item.sopUid)))
          await sendData(link, item.dataSet, { context, pduBytes, limits })
          const { status, comment } = await within(response, limits.responseTimeoutMs)
          return { status, comment }
        } catch (error) {
          link.close(abortPdu(abortReason.unspecified, abortSource.user))
          throw error
        }
      },
      async release() {
        link.send(releaseRequestPdu())
        await within(link.closed, limits.closeTimeoutMs).catch(() => undefined)
        link.destroy()
      },
    }
  } catch (error) {
    link.destroy()
    throw error
  }
}

async function connected({ host, port, limits }: ScuAssociationOptions): Promise<Socket> {
  const socket = connect({ host, port, noDelay: true })
  const opened = new Promise<void>((resolve, reject) => {
    socket.once('connect', () => resolve())
    socket.once('error', reject)
  })
  try {
    await within(opened, limits.connectTimeoutMs)
    return socket
  } catch (cause) {
    socket.destroy()
    throw new ProtocolError('unavailable', `no connection to ${host}:${port}`, { cause })
  }
}

/** A fragment's own header counts: below a few KiB there is more header than data, below 7 no data at all. */
function pduBytesFor(peerMaximum: number, limits: DimseLimits): number {
  if (peerMaximum === 0) return limits.maximumPduBytes
  if (peerMaximum < limits.peerMaximumPduBytesMin) {
    throw new ProtocolError('unsupported', `the peer takes PDUs of ${peerMaximum} bytes only`)
  }
  return Math.min(peerMaximum, limits.maximumPduBytes)
}

const fragmentHeaderBytes = 6

/** The data set as it is, cut into units that the peer takes; no faster than it reads. */
async function sendData(
  link: Link,
  dataSet: Uint8Array,
  { context, pduBytes, limits }: { context: number; pduBytes: number; limits: DimseLimits },
): Promise<void> {
  // PS3.5 §7.1: a length is even, so are all fragments but perhaps the last.
  const pieceBytes = (pduBytes - fragmentHeaderBytes) & ~1
  let at = 0
  do {
    if (link.isClosing) throw new ProtocolError('aborted', 'the association was lost')
    const piece = dataSet.subarray(at, at + pieceBytes)
    at += piece.length
    const flags = control.data | (at === dataSet.length ? control.last : 0)
    link.send(dataHeader(context, flags, piece.length), piece)
    const wait = link.drained()
    if (wait !== undefined) await within(wait, limits.responseTimeoutMs)
  } while (at < dataSet.length)
}
