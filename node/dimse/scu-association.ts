import { connect, type Socket } from 'node:net'
import { ProtocolError } from '#protocol/errors.ts'
import { commandField, type Answer, type Command, type SubRequest } from './command-set.ts'
import type { Context } from './dcmjs-dimse.ts'
import type { DimseLimits } from './link.ts'
import { releaseRequestPdu } from './pdu.ts'
import { createPeer } from './scu-peer.ts'
import type { Reply } from './service.ts'
import { createSpeech, pduBytesFor, type Data } from './speech.ts'
import { connectTls, type TlsIdentity } from './tls.ts'
import { within } from './within.ts'

/** What one presentation context proposes; `roles` are ours (PS3.7 §D.3.3.4), the user's alone when absent. */
export type Pair = Context

export const pairKey = ({ abstractSyntax, transferSyntax }: Pair): string =>
  `${abstractSyntax} ${transferSyntax}`

/** Where a peer is, and as whom we call it. */
export type Target = {
  host: string
  port: number
  calledAe: string
  callingAe: string
  tls?: boolean
  /** Fingerprint of the certificate that it must show. */
  certificate?: string
  /** What we show. */
  identity?: TlsIdentity
}

export type ScuAssociation = {
  readonly isOpen: boolean
  proposes(pair: Pair): boolean
  /** `undefined` when the peer did not accept it. */
  contextFor(pair: Pair): number | undefined
  /** The first accepted context of a SOP class. */
  contextOf(abstractSyntax: string): { id: number; transferSyntax: string } | undefined
  /** One request, its one response. Throws when the association is lost on the way. */
  ask(contextId: number, request: SubRequest, data?: Data): Promise<Reply>
  /** One request, all its responses; whoever stops early cancels it (C-CANCEL). */
  askMany(contextId: number, request: SubRequest, data?: Data): AsyncGenerator<Reply, void, void>
  /** Says goodbye and waits for the peer's answer, not for long. */
  release(): Promise<void>
}

export type ScuAssociationOptions = Target & {
  pairs: readonly Pair[]
  /** Answers a request of the peer (N-EVENT-REPORT); without it a request breaks the protocol. */
  onRequest?: (command: Command, dataSet: Buffer | undefined, context: Context) => Promise<Answer>
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
    const speech = createSpeech({ link, pduBytes, limits })
    const requests = peer.start(speech)
    const proposed = new Set(pairs.map(pairKey))
    const accepted = [...negotiated.accepted]
    const contexts = new Map(accepted.map(([id, pair]) => [pairKey(pair), id]))
    return {
      get isOpen() {
        return !link.isClosing
      },
      proposes: (pair) => proposed.has(pairKey(pair)),
      contextFor: (pair) => contexts.get(pairKey(pair)),
      contextOf(abstractSyntax) {
        const found = accepted.find(([, pair]) => pair.abstractSyntax === abstractSyntax)
        return found && { id: found[0], transferSyntax: found[1].transferSyntax }
      },
      ...requests,
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

async function connected(options: ScuAssociationOptions): Promise<Socket> {
  const { host, port, tls, identity, limits } = options
  if (tls === true) return connectTls(options, identity, limits)
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

export const isRequest = ({ field }: Command): boolean => field < commandField.response
