import type { Socket } from 'node:net'
import { ProtocolError } from '#protocol/errors.ts'
import { commandField, type Command } from './command-set.ts'
import { createRequestor, type Negotiated } from './dcmjs-dimse.ts'
import { createLink, type Link } from './link.ts'
import { createMessages } from './messages.ts'
import { abortReason, pduType } from './pdu.ts'
import { PduError, type PduEvent } from './pdu-guard.ts'
import type { ScuAssociationOptions } from './scu-association.ts'

/** What the other side of an association of ours says. */
export type Peer = {
  readonly link: Link
  /** Proposes the association; the peer's consent. */
  negotiate(): Promise<Negotiated & { ok: true }>
  /** The C-STORE response to a message that is about to be sent; rejects when the association is lost. */
  response(messageId: number): Promise<Command>
}

type Expected<T> = { resolve: (value: T) => void; reject: (error: unknown) => void }

/** The user's side of one association, on a connected socket. */
export function createPeer(socket: Socket, options: ScuAssociationOptions): Peer {
  const { limits } = options
  let accepted: ReadonlyMap<number, unknown> | undefined
  let consent: Expected<Negotiated & { ok: true }> | undefined
  let answer: (Expected<Command> & { messageId: number }) | undefined

  const link = createLink(socket, {
    allowed: (type) => allowedLength(type, accepted !== undefined, limits),
    handle,
    onReceived: () => undefined,
    onFailure: (cause) =>
      lose(new ProtocolError('aborted', 'the peer broke the protocol', { cause })),
    limits,
  })
  const requestor = createRequestor({
    ...options,
    send: (bytes) => link.send(bytes),
    maximumPduBytes: limits.maximumPduBytes,
  })
  const messages = createMessages({
    isAccepted: (context) => accepted?.has(context) === true,
    perform: async (_context, command) => onCommand(command),
    complete: () => undefined,
    commandBytes: limits.commandBytes,
  })

  function handle(event: PduEvent): Promise<void> | undefined {
    if (event.kind === 'fragment') return messages.take(event)
    switch (event.type) {
      case pduType.associateAccept:
      case pduType.associateReject:
        onNegotiated(requestor.negotiated(event.bytes))
        return undefined
      default:
        // A-RELEASE-RP or A-ABORT: nothing follows.
        link.destroy()
        return undefined
    }
  }

  function onNegotiated(outcome: Negotiated | undefined): void {
    if (outcome === undefined) throw new PduError(abortReason.invalidParameter, 'unreadable answer')
    if (outcome.ok) {
      accepted = outcome.accepted
      consent?.resolve(outcome)
      return
    }
    const { result, source, reason } = outcome
    const text = `the peer rejected the association (${result}, ${source}, ${reason})`
    lose(new ProtocolError('unavailable', text))
    link.destroy()
  }

  function onCommand(command: Command): undefined {
    const isExpected =
      command.field === (commandField.storeRequest | commandField.response) &&
      !command.hasDataSet &&
      command.messageIdRespondedTo === answer?.messageId
    if (!isExpected) throw new PduError(abortReason.unexpectedPdu, 'an answer to nothing')
    answer?.resolve(command)
    answer = undefined
  }

  function lose(error: ProtocolError): void {
    consent?.reject(error)
    answer?.reject(error)
    consent = undefined
    answer = undefined
  }

  void link.closed.then(() => {
    requestor.close()
    lose(new ProtocolError('aborted', 'the association was lost'))
  })

  return {
    link,
    async negotiate() {
      return new Promise((resolve, reject) => {
        consent = { resolve, reject }
        requestor.request()
      })
    },
    async response(messageId) {
      return new Promise((resolve, reject) => {
        answer = { messageId, resolve, reject }
      })
    },
  }
}

/** What may come when (PS3.8 §9.2.3), seen from the requestor. */
function allowedLength(
  type: number,
  isOpen: boolean,
  limits: ScuAssociationOptions['limits'],
): number | undefined {
  switch (type) {
    case pduType.associateAccept:
      return isOpen ? undefined : limits.associateBytes
    case pduType.associateReject:
      return isOpen ? undefined : limits.controlPduBytes
    case pduType.data:
      return isOpen ? limits.dataPduBytes : undefined
    case pduType.releaseResponse:
    case pduType.abort:
      return limits.controlPduBytes
    default:
      return undefined
  }
}
