import { ProtocolError } from '#protocol/errors.ts'
import { instanceLimits } from '#protocol/limits.ts'
import type { Archive, Origin, Stored } from '../archive/archive.ts'
import type { Device } from '../config.ts'
import type { Log } from '../log.ts'
import type { Alerts } from './alerts.ts'
import { commandField, type Command } from './command-set.ts'
import type { Accepted, Context } from './dcmjs-dimse.ts'
import type { Deadlines } from './deadlines.ts'
import type { Exchanges } from './exchange.ts'
import type { DimseLimits, Link } from './link.ts'
import type { MessagesDeps } from './messages.ts'
import { abortReason, abortSource } from './pdu.ts'
import { PduError } from './pdu-guard.ts'
import { collectData, discardData, receiveStore, type Reception } from './receive-store.ts'
import type { Service } from './service.ts'
import { outcomeOfError, outcomeOfFailure, status, type Outcome } from './status.ts'
import { verification } from './syntaxes.ts'
import { within } from './within.ts'

export type DimseOrigin = Origin & { kind: 'dimse' }

/** What is done for the requests of one association: C-ECHO, C-STORE and the given services; the rest is refused. */
export type Services = Pick<MessagesDeps, 'perform' | 'complete'> & {
  /** Resolves when no answer is being worked on. */
  settled(): Promise<void>
  /** The association is over. */
  close(): void
}

export type ServicesDeps = {
  accepted: Accepted
  origin: DimseOrigin
  device?: Device
  link: Pick<Link, 'drained' | 'isClosing'>
  deadlines: Pick<Deadlines, 'during'>
  exchanges: Exchanges
  /** Fingerprint of the certificate that the caller showed over TLS. */
  certificate?: string
  /** Those that this caller may use. */
  services: readonly Service[]
  archive: Pick<Archive, 'ingest'>
  alerts: Alerts
  log: Log
  limits: Pick<DimseLimits, 'storeTimeoutMs' | 'identifierBytes'>
}

export function createServices(deps: ServicesDeps): Services {
  const { accepted, link, limits, exchanges } = deps
  const store = createStore(deps)
  /** The answer that is being worked on. The next request waits for it, so answers keep the order of requests. */
  let answering: Promise<void> | undefined

  const answer = (contextId: number, command: Command, outcome: Outcome) => {
    if (!link.isClosing) void exchanges.answer(contextId, command, outcome)
  }

  const work = (task: Promise<void>): void => {
    const ended: Promise<void> = task.finally(() => {
      if (answering === ended) answering = undefined
    })
    answering = ended
  }

  /** What begins when a request is here; its reception when a data set follows. */
  const begin = async (contextId: number, command: Command): Promise<Reception | undefined> => {
    const { field, hasDataSet } = command
    const context = accepted.get(contextId)
    if (context === undefined) throw aborted('presentation context was not accepted')
    if (field === commandField.echoRequest && context.abstractSyntax === verification) {
      if (hasDataSet) throw aborted('C-ECHO with a data set')
      answer(contextId, command, { status: status.success, comment: '' })
      return undefined
    }
    const service = serviceFor(deps.services, context, command)
    if (service !== undefined) {
      const serve = (identifier?: Buffer) =>
        performService(deps, service, { contextId, context, command, identifier })
      if (hasDataSet) return collectData(limits.identifierBytes, serve)
      work(serve().then(() => undefined))
      return undefined
    }
    if (field === commandField.storeRequest && hasDataSet) {
      return context.abstractSyntax !== verification && context.abstractSyntax === command.sopClass
        ? store(command.sopUid, context)
        : discardData(outcomeOfError(wrongContext), instanceLimits.instanceBytes)
    }
    if (hasDataSet) return discardData(unrecognized, limits.identifierBytes)
    answer(contextId, command, unrecognized)
    return undefined
  }

  return {
    async perform(contextId, command): Promise<Reception | undefined> {
      const { field, hasDataSet } = command
      if (field >= commandField.response) return exchanges.respondTo(command)
      if (field === commandField.cancelRequest) {
        if (hasDataSet) throw aborted('C-CANCEL with a data set')
        exchanges.cancel(command.messageIdRespondedTo)
        return undefined
      }
      await answering
      await link.drained()
      return begin(contextId, command)
    },
    complete(context, command, reception) {
      const isAnswer = command.field >= commandField.response
      const finished = reception.finish().then((outcome) => {
        if (outcome !== undefined) answer(context, command, outcome)
      })
      if (isAnswer) finished.catch(() => undefined)
      else work(finished)
    },
    settled: async () => answering,
    close: () => exchanges.close(),
  }
}

/** Where a C-STORE's data set goes: into the archive, whoever sends it. */
function createStore({ archive, origin, alerts, deadlines, limits }: ServicesDeps) {
  const onStored = ({ outcome, reason }: Stored): void => {
    if (outcome !== 'quarantined' || reason !== 'uid-conflict') return
    const { callingAe, address } = origin
    const detail = 'SOP instance with other content'
    alerts.raise({ callingAe, address, outcome: 'denied', code: 'instance_conflict', detail })
  }
  const during = async <T>(work: Promise<T>): Promise<T> =>
    deadlines.during(within(work, limits.storeTimeoutMs))

  return async (sopUid: string, context: Context): Promise<Reception> => {
    const { abstractSyntax: sopClass, transferSyntax } = context
    const declared = { sopClass, sopUid, transferSyntax }
    return receiveStore({ archive, declared, origin, onStored, during })
  }
}

/** A request belongs to the service of its context; another SOP class in its command is the caller's mistake. */
const serviceFor = (
  services: readonly Service[],
  { abstractSyntax }: Context,
  { field }: Command,
): Service | undefined =>
  services.find(
    ({ abstractSyntaxes, fields }) => abstractSyntaxes.has(abstractSyntax) && fields.has(field),
  )

type Asked = {
  contextId: number
  context: Context
  command: Command
  identifier: Buffer | undefined
}

/** Runs a service; whatever it does the peer gets one final response, as long as it is there. */
async function performService(
  { exchanges, origin, device, certificate, deadlines, link, log }: ServicesDeps,
  service: Service,
  { contextId, context, command, identifier }: Asked,
): Promise<undefined> {
  const exchange = exchanges.begin(contextId, command)
  const request = {
    command,
    contextId,
    context,
    origin,
    ...(identifier && { identifier }),
    ...(certificate && { certificate }),
  }
  const end = async (outcome: Outcome) => {
    if (!exchange.isAnswered && !link.isClosing) await exchange.respond(outcome)
  }
  try {
    if (device === undefined) throw new ProtocolError('forbidden', 'the caller is not registered')
    await deadlines.during(service.perform({ ...request, device }, exchange))
    await end({ status: status.processingFailure, comment: 'no answer was found' })
  } catch (error) {
    if (!link.isClosing) log.warn({ err: error, service: service.permission }, 'a request failed')
    await end(outcomeOfFailure(error, command.field)).catch(() => undefined)
  } finally {
    exchanges.end(command)
  }
}

const unrecognized: Outcome = {
  status: status.unrecognizedOperation,
  comment: 'service is not offered here',
}

const wrongContext = new ProtocolError('unsupported', 'SOP class is not that of its context')

const aborted = (message: string) =>
  new PduError(abortReason.unspecified, message, abortSource.user)
