import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import dimse from 'dcmjs-dimse'
import { implementation } from '../dicom/part10.ts'
import { abortReason } from './pdu.ts'
import { PduError } from './pdu-guard.ts'
import type { Choice, Roles } from './syntaxes.ts'

/**
 * The only file that touches dcmjs-dimse. The library never sees a socket: it gets whole, checked units one at a time
 * and hands back what it wants to send. It negotiates associations. Messages never reach it: its own reception loses
 * bytes under backpressure, has no bounds and buffers whole instances, and a C-ECHO of 70 bytes costs it 2 ms.
 */

const { Scp, Implementation, association, constants, log } = dimse

// It logs associations to the console, names and addresses included.
log.setLevel('silent')
Implementation.setImplementationClassUid(implementation.classUid)
Implementation.setImplementationVersion(implementation.version)

/** Its own timers would abort an association while a data set streams by; the deadlines of the guard count instead. */
const noTimeoutMs = 2 ** 31 - 1
const options = {
  connectTimeout: noTimeoutMs,
  associationTimeout: noTimeoutMs,
  pduTimeout: noTimeoutMs,
}

/** An accepted presentation context. */
export type Context = {
  abstractSyntax: string
  transferSyntax: string
  /** What the peer is, where it was negotiated; otherwise the user alone. */
  roles?: Roles
}
export type Accepted = ReadonlyMap<number, Context>

/** The provider's side of one association. */
export type Acceptor = {
  /** Answers a checked A-ASSOCIATE-RQ with an A-ASSOCIATE-AC; the contexts that were accepted. */
  accept(pdu: Buffer, choose: Decide): Accepted
  close(): void
}

type Decide = (abstractSyntax: string, transferSyntaxes: readonly string[]) => Choice

/** `maximumPduBytes` is what we announce for reception, whatever the peer announced for its own. */
export function createAcceptor(deps: {
  /** Sends the answer, with the contexts that it accepts. */
  send: (bytes: Buffer, accepted: Accepted) => void
  maximumPduBytes: number
}): Acceptor {
  const accepted = new Map<number, Context>()
  const wire = createWire((bytes) => deps.send(bytes, accepted))
  let choose: Decide | undefined

  class Provider extends Scp {
    override associationRequested(requested: Association): void {
      const withRoles = new Set<string>()
      for (const { id, context } of requested.getPresentationContexts()) {
        const abstractSyntax = context.getAbstractSyntaxUid()
        const choice = choose?.(abstractSyntax, context.getTransferSyntaxUids())
        if (choice?.result !== 'accepted') {
          context.setResult(rejected[choice?.result ?? 'abstract-syntax-not-supported'])
          continue
        }
        const { transferSyntax, roles } = choice
        context.setResult(constants.PresentationContextResult.Accept, transferSyntax)
        accepted.set(id, { abstractSyntax, transferSyntax, ...(roles !== undefined && { roles }) })
        // One answer for each SOP class, however many contexts it has (PS3.7 §D.3.3.4.2).
        if (roles === undefined || withRoles.has(abstractSyntax)) continue
        withRoles.add(abstractSyntax)
        context.setUserRole(roles.user)
        context.setProviderRole(roles.provider)
      }
      // The library would announce the smaller of both maxima, and echo a window of operations it cannot honour.
      requested.setMaxPduLength(deps.maximumPduBytes)
      requested.setNegotiateAsyncOps(false)
      this.sendAssociationAccept()
    }
  }
  const provider = new Provider(wire.socket, options)

  provider.on('networkError', () => undefined)
  return {
    accept(pdu, decide) {
      choose = decide
      const before = wire.sent()
      wire.receive(pdu)
      // The library swallows its own failures; without an answer the peer would wait for ever.
      if (wire.sent() === before) throw new PduError(abortReason.unspecified, 'no answer')
      return accepted
    },
    close: wire.close,
  }
}

const rejected = {
  'abstract-syntax-not-supported':
    constants.PresentationContextResult.RejectAbstractSyntaxNotSupported,
  'transfer-syntaxes-not-supported':
    constants.PresentationContextResult.RejectTransferSyntaxesNotSupported,
}

/** What the peer made of our proposal. */
export type Negotiated =
  | { ok: true; maximumPduBytes: number; accepted: Accepted }
  | { ok: false; result: number; source: number; reason: number }

/** The user's side of one association. */
export type Requestor = {
  request(): void
  /** Takes an A-ASSOCIATE-AC or A-ASSOCIATE-RJ; `undefined` when the library could not read it. */
  negotiated(pdu: Buffer): Negotiated | undefined
  close(): void
}

/** Proposes one context for each pair, in order, each with its one transfer syntax and the roles that we want. */
export function createRequestor(deps: {
  send: (bytes: Buffer) => void
  callingAe: string
  calledAe: string
  pairs: readonly Context[]
  maximumPduBytes: number
}): Requestor {
  const wire = createWire(deps.send)
  const proposal = new association.Association(deps.callingAe, deps.calledAe)
  proposal.setMaxPduLength(deps.maximumPduBytes)
  deps.pairs.forEach(({ abstractSyntax, transferSyntax, roles }, index) => {
    const id = proposal.addPresentationContext(abstractSyntax, 2 * index + 1)
    proposal.addTransferSyntaxToPresentationContext(id, transferSyntax)
    if (roles === undefined) return
    const context = proposal.getPresentationContext(id)
    context.setUserRole(roles.user)
    context.setProviderRole(roles.provider)
  })
  const user = new Scp(wire.socket, options)
  let outcome: Negotiated | undefined
  user.on('networkError', () => undefined)
  user.on('associationAccepted', (answered: Association) => {
    const accepted = new Map<number, Context>()
    answered.getPresentationContexts().forEach(({ id, context }, index) => {
      const pair = deps.pairs[index]
      const isAccepted =
        context.getResult() === constants.PresentationContextResult.Accept &&
        context.getAcceptedTransferSyntaxUid() === pair?.transferSyntax
      if (isAccepted && pair !== undefined) accepted.set(id, pair)
    })
    outcome = { ok: true, maximumPduBytes: answered.getMaxPduLength(), accepted }
  })
  user.on('associationRejected', (rejection: Omit<Negotiated & { ok: false }, 'ok'>) => {
    outcome = { ...rejection, ok: false }
  })
  return {
    request: () => user.sendAssociationRequest(proposal),
    negotiated(pdu) {
      wire.receive(pdu)
      return outcome
    },
    close: wire.close,
  }
}

type Association = InstanceType<typeof association.Association>

/** What the library uses of a socket. It emits and writes synchronously; a test holds it to that. */
function createWire(send: (bytes: Buffer) => void) {
  let count = 0
  const wire = Object.assign(new EventEmitter(), {
    setTimeout: () => undefined,
    write: (bytes: Buffer) => {
      count++
      send(bytes)
      return true
    },
  })
  return {
    socket: wire as unknown as Socket,
    receive: (pdu: Buffer) => void wire.emit('data', pdu),
    sent: () => count,
    /** Stops the interval that the library starts for every association. */
    close: () => void wire.emit('close'),
  }
}
