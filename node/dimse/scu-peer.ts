import type { Socket } from 'node:net'
import { ProtocolError } from '#protocol/errors.ts'
import { commandField, type Command } from './command-set.ts'
import { createRequestor, type Accepted, type Negotiated } from './dcmjs-dimse.ts'
import { createLink, type Link } from './link.ts'
import { createMessages, type Messages } from './messages.ts'
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

/** The user's side of one association, on a connected socket. */
export function createPeer(socket: Socket, options: ScuAssociationOptions): Peer {
  const { limits } = options
  const consent = createExpected<Negotiated & { ok: true }>()
  const answer = createExpected<Command>()
  let accepted: Accepted | undefined
  let awaitedMessageId = 0

  const link = createLink(socket, {
    allowed: (type) => allowedLength(type, accepted !== undefined, limits),
    handle,
    onReceived: () => undefined,
    onFailure: (cause) =>
      lose(new ProtocolError('aborted', 'the peer broke the protocol', { cause })),
    limits,
  })
  const { maximumPduBytes, commandBytes } = limits
  const send = (bytes: Buffer) => link.send(bytes)
  const requestor = createRequestor({ ...options, send, maximumPduBytes })
  const answers = createAnswers({
    isAccepted: (context) => accepted?.has(context) === true,
    isExpected: (command) => isAnswer(command, awaitedMessageId),
    onAnswer: answer.resolve,
    commandBytes,
  })

  function handle(event: PduEvent): Promise<void> | undefined {
    if (event.kind === 'fragment') return answers.take(event)
    const isNegotiation =
      event.type === pduType.associateAccept || event.type === pduType.associateReject
    if (isNegotiation) onNegotiated(requestor.negotiated(event.bytes))
    // A-RELEASE-RP or A-ABORT: nothing follows.
    else link.destroy()
    return undefined
  }

  function onNegotiated(outcome: Negotiated | undefined): void {
    if (outcome === undefined) throw new PduError(abortReason.invalidParameter, 'unreadable answer')
    if (outcome.ok) {
      accepted = outcome.accepted
      consent.resolve(outcome)
    } else {
      consent.reject(rejection(outcome))
      link.destroy()
    }
  }

  function lose(error: ProtocolError): void {
    consent.reject(error)
    answer.reject(error)
  }

  void link.closed.then(() => {
    requestor.close()
    lose(new ProtocolError('aborted', 'the association was lost'))
  })

  return {
    link,
    async negotiate() {
      const negotiated = consent.wait()
      requestor.request()
      return negotiated
    },
    async response(messageId) {
      awaitedMessageId = messageId
      return answer.wait()
    },
  }
}

/** Commands of the peer; it has nothing to say but answers, which have no data set. */
function createAnswers(deps: {
  isAccepted: (context: number) => boolean
  isExpected: (command: Command) => boolean
  onAnswer: (command: Command) => void
  commandBytes: number
}): Messages {
  return createMessages({
    ...deps,
    async perform(_context, command) {
      if (!deps.isExpected(command)) {
        throw new PduError(abortReason.unexpectedPdu, 'an answer to nothing')
      }
      deps.onAnswer(command)
      return undefined
    },
    complete: () => undefined,
  })
}

const rejection = ({ result, source, reason }: Negotiated & { ok: false }) =>
  new ProtocolError(
    'unavailable',
    `the peer rejected the association (${result}, ${source}, ${reason})`,
  )

const isAnswer = (command: Command, messageId: number): boolean =>
  command.field === (commandField.storeRequest | commandField.response) &&
  !command.hasDataSet &&
  command.messageIdRespondedTo === messageId

/** One thing that is waited for at a time. */
function createExpected<T>() {
  let settle: { resolve: (value: T) => void; reject: (error: ProtocolError) => void } | undefined
  return {
    wait: async () =>
      new Promise<T>((resolve, reject) => {
        settle = { resolve, reject }
      }),
    resolve: (value: T) => {
      settle?.resolve(value)
      settle = undefined
    },
    reject: (error: ProtocolError) => {
      settle?.reject(error)
      settle = undefined
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
