import type { Socket } from 'node:net'
import type { Archive } from '../archive/archive.ts'
import { servicesOf } from '../apparatus.ts'
import type { Log } from '../log.ts'
import { admit, type Admission, type AdmissionDeps } from './admission.ts'
import {
  canonicalRequest,
  readAssociateRequest,
  type AssociateRequest,
} from './associate-request.ts'
import type { Slot } from './connections.ts'
import { createAcceptor, type Accepted, type Acceptor } from './dcmjs-dimse.ts'
import { createDeadlines, type Deadlines } from './deadlines.ts'
import { extendedAnswers } from './extended-negotiation.ts'
import { identityAnswer, isConfirmed, type Identify } from './identity.ts'
import { createLink, type DimseLimits, type Link } from './link.ts'
import { createMessages, type Messages } from './messages.ts'
import {
  abortPdu,
  abortReason,
  abortSource,
  pduType,
  rejections,
  rejectPdu,
  releaseResponsePdu,
} from './pdu.ts'
import { PduError, type PduEvent } from './pdu-guard.ts'
import { createExchanges } from './exchange.ts'
import type { Service } from './service.ts'
import { createServices, type Services } from './services.ts'
import { createSpeech, pduBytesFor } from './speech.ts'
import { choose, type Offer } from './syntaxes.ts'
import { withUserItems } from './user-items.ts'

export type AssociationDeps = AdmissionDeps & {
  /** Names the association in the records of its objects. */
  id: string
  address: string
  slot: Slot
  archive: Pick<Archive, 'ingest'>
  /** Fingerprint of the certificate that the peer showed over TLS. */
  certificate?: string
  /** Judges what a peer says of the person behind it. */
  identify?: Identify
  services: readonly Service[]
  log: Log
  clock: () => number
  limits: DimseLimits
}

/** One connection as its owner sees it. */
export type Served = {
  /** Ends a peer that kept us waiting for too long. */
  checkDeadlines(): void
  /** Ends the association because the node stops. */
  shutDown(): void
  /** Resolves when the socket is gone and the archive is done with everything that came. */
  readonly done: Promise<void>
}

/** From the A-ASSOCIATE-AC on. */
type Open = { acceptor: Acceptor; messages: Messages; services: Services }

/** The provider's side of one connection, from its first byte to its last. */
export function serveAssociation(socket: Socket, deps: AssociationDeps): Served {
  const { address, limits, slot, log } = deps
  const deadlines = createDeadlines(limits, deps.clock)
  let open: Open | undefined

  const link = createLink(socket, {
    allowed: (type) => allowedLength(type, open !== undefined, limits),
    handle,
    onReceived(bytes) {
      deadlines.received(bytes, link.isInside || open?.messages.isInside === true)
      if (deadlines.isProven) slot.prove()
    },
    onFailure: (error) => log.warn({ err: error, address }, 'association aborted'),
    limits,
  })
  const opened = (opening: Open) => (open = opening)

  function handle(event: PduEvent): Promise<void> | undefined {
    if (event.kind === 'fragment') return open?.messages.take(event)
    switch (event.type) {
      case pduType.associateRequest:
        return begin(
          readAssociateRequest(event.bytes, limits),
          { ...deps, link, deadlines },
          opened,
        )
      case pduType.releaseRequest:
        return release()
      default:
        // A-ABORT: the guard lets nothing else through. No answer (PS3.8 §9.2.3, AA-3).
        link.destroy()
        return undefined
    }
  }

  async function release(): Promise<void> {
    if (open?.messages.isInside === true) {
      throw new PduError(abortReason.unexpectedPdu, 'release inside a message', abortSource.user)
    }
    await open?.services.settled()
    link.close(releaseResponsePdu())
    slot.dissociate()
  }

  const end = async () => {
    slot.leave()
    open?.acceptor.close()
    open?.services.close()
    await open?.messages.abort()
    await open?.services.settled()
  }
  return {
    checkDeadlines() {
      const overdue = link.isClosing ? undefined : deadlines.overdue()
      if (overdue === undefined) return
      log.debug({ overdue, address }, 'association timed out')
      // PS3.8 §9.2.3, AA-2: before an association the connection is closed without a word.
      if (overdue === 'association') link.destroy()
      else link.close(abortPdu(abortReason.unspecified))
    },
    shutDown() {
      link.send(abortPdu(abortReason.unspecified))
      link.destroy()
    },
    done: link.closed
      .then(end)
      .catch((error: unknown) => log.error({ err: error }, 'association did not end cleanly')),
  }
}

type Admitted = Admission & { ok: true }
type Opening = AssociationDeps & { link: Link; deadlines: Deadlines }

/** From the A-ASSOCIATE-RQ to its answer: the register decides, then whoever judges claims of people. */
function begin(
  request: AssociateRequest,
  deps: Opening,
  opened: (open: Open) => void,
): Promise<void> | undefined {
  const { link, identify, address } = deps
  const { identity, callingAe } = request
  const admission = admitted(request, deps)
  if (admission === undefined) return undefined
  // Without somebody to judge it a claim counts for nothing, and harms nothing.
  if (identity === undefined || identify === undefined) {
    opened(associate(request, admission, deps))
    return undefined
  }
  return identify({ ...identity, address, callingAe }).then((isGood) => {
    if (link.isClosing) return
    if (isGood) opened(associate(request, admission, { ...deps, confirms: isConfirmed(identity) }))
    else link.close(rejectPdu(rejections.identity))
  })
}

/** Whether the association may be, as far as the register says; `undefined` when the answer was no. */
function admitted(request: AssociateRequest, deps: Opening): Admitted | undefined {
  const { address, certificate, id, link, slot } = deps
  const connection = { address, association: id, ...(certificate && { certificate }) }
  const admission = admit(request, connection, deps)
  if (admission.ok && slot.associate()) return admission
  link.close(rejectPdu(admission.ok ? rejections.localLimit : admission.rejection))
  return undefined
}

/** Answers the A-ASSOCIATE-RQ: from here on the association is. `confirms` tells the peer that its claim is accepted. */
function associate(
  request: AssociateRequest,
  admission: Admitted,
  deps: Opening & { confirms?: boolean },
): Open {
  const { deadlines, limits, link, confirms = false } = deps
  const acceptor = createAcceptor({
    send(bytes, accepted) {
      const extended = extendedAnswers(request.extended, accepted)
      link.send(withUserItems(bytes, confirms ? [...extended, identityAnswer()] : extended))
    },
    maximumPduBytes: limits.maximumPduBytes,
  })
  const { device } = admission
  const permitted = device === undefined ? new Set() : servicesOf(device)
  const services = deps.services.filter(({ permission }) => permitted.has(permission))
  deadlines.associated()
  const offer = {
    isService: (uid: string) => services.some(({ abstractSyntaxes }) => abstractSyntaxes.has(uid)),
    rolesOf: (uid: string) => request.roles.get(uid),
    mayRetrieve: permitted.has('retrieve'),
  }
  const accepted = accept(acceptor, request, offer)
  const pduBytes = pduBytesFor(request.maximumPduBytes, limits)
  const speech = createSpeech({ link, pduBytes, limits })
  const exchanges = createExchanges({ contexts: accepted, link, speech, limits })
  const served = createServices({ ...deps, ...admission, accepted, exchanges, services })
  const { commandBytes } = limits
  const isAccepted = (context: number) => accepted.has(context)
  return {
    acceptor,
    services: served,
    messages: createMessages({ ...served, isAccepted, commandBytes }),
  }
}

function accept(acceptor: Acceptor, request: AssociateRequest, offer: Offer): Accepted {
  try {
    return acceptor.accept(canonicalRequest(request), (abstractSyntax, transferSyntaxes) =>
      choose(abstractSyntax, transferSyntaxes, offer),
    )
  } catch (error) {
    acceptor.close()
    throw error
  }
}

/** What may come when (PS3.8 §9.2.3): a request first and once, then data, release and abort. */
function allowedLength(type: number, isOpen: boolean, limits: DimseLimits): number | undefined {
  switch (type) {
    case pduType.associateRequest:
      return isOpen ? undefined : limits.associateBytes
    case pduType.data:
      return isOpen ? limits.dataPduBytes : undefined
    case pduType.releaseRequest:
      return isOpen ? limits.controlPduBytes : undefined
    case pduType.abort:
      return limits.controlPduBytes
    default:
      return undefined
  }
}
