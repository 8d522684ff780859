import type { Socket } from 'node:net'
import type { Archive } from '../archive/archive.ts'
import { servicesOf } from '../apparatus.ts'
import type { Log } from '../log.ts'
import { admit, type AdmissionDeps } from './admission.ts'
import { canonicalRequest, readAssociateRequest } from './associate-request.ts'
import type { Slot } from './connections.ts'
import { createAcceptor, type Acceptor } from './dcmjs-dimse.ts'
import { createDeadlines, type Deadlines } from './deadlines.ts'
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
import { choose } from './syntaxes.ts'

export type AssociationDeps = AdmissionDeps & {
  /** Names the association in the records of its objects. */
  id: string
  address: string
  slot: Slot
  archive: Pick<Archive, 'ingest'>
  services: readonly Service[]
  log: Log
  clock: () => number
  limits: DimseLimits
}

/** One connection as its owner sees it. */
export type Served = {
  /** Ends a peer that kept us waiting for too long. */
  checkDeadlines(): void
  /** Closes at once, for lack of room. */
  evict(): void
  /** Ends the association because the node stops. */
  shutDown(): void
  /** Resolves when the socket is gone and the archive is done with everything that came. */
  readonly done: Promise<void>
}

/** From the A-ASSOCIATE-AC on. */
type Open = { messages: Messages; services: Services }

/** The provider's side of one connection, from its first byte to its last. */
export function serveAssociation(socket: Socket, deps: AssociationDeps): Served {
  const { address, limits, slot, log } = deps
  const deadlines = createDeadlines(limits, deps.clock)
  let open: Open | undefined

  const link = createLink(socket, {
    allowed: (type) => allowedLength(type, open !== undefined, limits),
    handle,
    onReceived: (bytes) =>
      deadlines.received(bytes, link.isInside || open?.messages.isInside === true),
    onFailure: (error) => log.warn({ err: error, address }, 'association aborted'),
    limits,
  })
  const acceptor = createAcceptor({
    send: (bytes) => link.send(bytes),
    maximumPduBytes: limits.maximumPduBytes,
  })

  function handle(event: PduEvent): Promise<void> | undefined {
    if (event.kind === 'fragment') return open?.messages.take(event)
    switch (event.type) {
      case pduType.associateRequest:
        open = associate(event.bytes, deps, { link, acceptor, deadlines })
        return undefined
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
    acceptor.close()
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
    evict: () => link.destroy(),
    shutDown() {
      link.send(abortPdu(abortReason.unspecified))
      link.destroy()
    },
    done: link.closed
      .then(end)
      .catch((error: unknown) => log.error({ err: error }, 'association did not end cleanly')),
  }
}

/** Answers the A-ASSOCIATE-RQ; `undefined` when the answer was no. */
function associate(
  pdu: Buffer,
  deps: AssociationDeps,
  parts: { link: Link; acceptor: Acceptor; deadlines: Deadlines },
): Open | undefined {
  const { address, id, limits, slot } = deps
  const { link, acceptor, deadlines } = parts
  const request = readAssociateRequest(pdu, limits)
  const admission = admit(request, { address, association: id }, deps)
  if (!admission.ok || !slot.associate()) {
    link.close(rejectPdu(admission.ok ? rejections.localLimit : admission.rejection))
    return undefined
  }
  const { device } = admission
  const permitted = device === undefined ? new Set() : servicesOf(device)
  const services = deps.services.filter(({ permission }) => permitted.has(permission))
  deadlines.associated()
  const accepted = acceptor.accept(canonicalRequest(request), (abstractSyntax, transferSyntaxes) =>
    choose(abstractSyntax, transferSyntaxes, {
      isService: (uid) => services.some(({ abstractSyntaxes }) => abstractSyntaxes.has(uid)),
      rolesOf: (uid) => request.roles.get(uid),
      mayRetrieve: permitted.has('retrieve'),
    }),
  )
  const pduBytes = pduBytesFor(request.maximumPduBytes, limits)
  const speech = createSpeech({ link, pduBytes, limits })
  const exchanges = createExchanges({ contexts: accepted, link, speech, limits })
  const served = createServices({ ...deps, ...parts, ...admission, accepted, exchanges, services })
  const { commandBytes } = limits
  const isAccepted = (context: number) => accepted.has(context)
  return { services: served, messages: createMessages({ ...served, isAccepted, commandBytes }) }
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
