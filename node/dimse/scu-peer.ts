import type { Socket } from 'node:net'
import { ProtocolError } from '#protocol/errors.ts'
import { createRequestor, type Accepted, type Negotiated } from './dcmjs-dimse.ts'
import { createLink, type Link } from './link.ts'
import { createMessages } from './messages.ts'
import { abortReason, pduType } from './pdu.ts'
import { PduError, type PduEvent } from './pdu-guard.ts'
import type { ScuAssociationOptions } from './scu-association.ts'
import { createScuRequests, type ScuRequests } from './scu-requests.ts'
import type { Speech } from './speech.ts'

/** What the other side of an association of ours says. */
export type Peer = {
  readonly link: Link
  /** Proposes the association; the peer's consent. */
  negotiate(): Promise<Negotiated & { ok: true }>
  /** From now on requests can be made. */
  start(speech: Speech): ScuRequests
}

/** The user's side of one association, on a connected socket. */
export function createPeer(socket: Socket, options: ScuAssociationOptions): Peer {
  const { limits } = options
  const consent = createExpected<Negotiated & { ok: true }>()
  let accepted: Accepted = new Map()
  let isOpen = false
  let started: ReturnType<typeof createScuRequests> | undefined

  const link = createLink(socket, {
    allowed: (type) => allowedLength(type, isOpen, limits),
    handle,
    onReceived: () => undefined,
    onFailure: (cause) =>
      lose(new ProtocolError('aborted', 'the peer broke the protocol', { cause })),
    limits,
  })
  const { maximumPduBytes, commandBytes } = limits
  const send = (bytes: Buffer) => link.send(bytes)
  const requestor = createRequestor({ ...options, send, maximumPduBytes })
  const messages = createMessages({
    isAccepted: (context) => accepted.has(context),
    perform: (...message) => heard(started).perform(...message),
    complete: (...message) => heard(started).complete(...message),
    commandBytes,
  })

  function handle(event: PduEvent): Promise<void> | undefined {
    if (event.kind === 'fragment') return messages.take(event)
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
      isOpen = true
      consent.resolve(outcome)
      return
    }
    consent.reject(rejection(outcome))
    link.destroy()
  }

  function lose(error: ProtocolError): void {
    consent.reject(error)
    started?.lose(error)
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
    start: (speech) =>
      (started = createScuRequests({ ...options, link, speech, contexts: accepted })),
  }
}

function heard<T>(started: T | undefined): T {
  if (started !== undefined) return started
  throw new PduError(abortReason.unexpectedPdu, 'a message before anything was asked')
}

const rejection = ({ result, source, reason }: Negotiated & { ok: false }) =>
  new ProtocolError(
    'unavailable',
    `the peer rejected the association (${result}, ${source}, ${reason})`,
  )

/** One thing that is waited for. */
function createExpected<T>() {
  const { promise, resolve, reject } = Promise.withResolvers<T>()
  promise.catch(() => undefined)
  return { wait: async () => promise, resolve, reject }
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
