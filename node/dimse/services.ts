import { ProtocolError } from '#protocol/errors.ts'
import { instanceLimits } from '#protocol/limits.ts'
import type { Archive, Origin, Stored } from '../archive/archive.ts'
import type { Alerts } from './alerts.ts'
import { commandField, response, type Command } from './command-set.ts'
import type { Accepted, Context } from './dcmjs-dimse.ts'
import type { Deadlines } from './deadlines.ts'
import type { DimseLimits, Link } from './link.ts'
import type { MessagesDeps } from './messages.ts'
import { abortReason, abortSource, commandPdu } from './pdu.ts'
import { PduError } from './pdu-guard.ts'
import { discardData, receiveStore, type Reception } from './receive-store.ts'
import { outcomeOfError, status, type Outcome } from './status.ts'
import { verification } from './syntaxes.ts'
import { within } from './within.ts'

export type DimseOrigin = Origin & { kind: 'dimse' }

/** What is done for the requests of one association: C-ECHO and C-STORE; everything else is refused. */
export type Services = Pick<MessagesDeps, 'perform' | 'complete'> & {
  /** Resolves when no answer is being worked on. */
  settled(): Promise<void>
}

export type ServicesDeps = {
  accepted: Accepted
  origin: DimseOrigin
  link: Pick<Link, 'send' | 'drained'>
  deadlines: Pick<Deadlines, 'during'>
  archive: Pick<Archive, 'ingest'>
  alerts: Alerts
  limits: Pick<DimseLimits, 'storeTimeoutMs' | 'identifierBytes'>
}

export function createServices(deps: ServicesDeps): Services {
  const { accepted, origin, link, deadlines, limits } = deps
  /** The answer that is being worked on. The next request waits for it, so answers keep the order of requests. */
  let answering: Promise<void> | undefined

  const answer = (context: number, command: Command, { status, comment }: Outcome): void =>
    link.send(commandPdu(context, response(command, status, comment)))

  const onStored = ({ outcome, reason }: Stored): void => {
    if (outcome !== 'quarantined' || reason !== 'uid-conflict') return
    const { callingAe, address } = origin
    const detail = 'SOP instance with other content'
    deps.alerts.raise({ callingAe, address, outcome: 'denied', code: 'instance_conflict', detail })
  }

  const during = async <T>(work: Promise<T>): Promise<T> =>
    deadlines.during(within(work, limits.storeTimeoutMs))

  const store = async (sopUid: string, context: Context): Promise<Reception> => {
    const { abstractSyntax: sopClass, transferSyntax } = context
    const declared = { sopClass, sopUid, transferSyntax }
    return receiveStore({ archive: deps.archive, declared, origin, onStored, during })
  }

  return {
    async perform(contextId, command): Promise<Reception | undefined> {
      const { field, hasDataSet } = command
      await answering
      await link.drained()
      if (field >= commandField.response) throw aborted('a response without a request')
      if (field === commandField.cancelRequest) {
        if (hasDataSet) throw aborted('C-CANCEL with a data set')
        return undefined
      }
      const context = accepted.get(contextId)
      if (context === undefined) throw aborted('presentation context was not accepted')
      if (field === commandField.echoRequest && context.abstractSyntax === verification) {
        if (hasDataSet) throw aborted('C-ECHO with a data set')
        answer(contextId, command, { status: status.success, comment: '' })
        return undefined
      }
      if (field === commandField.storeRequest && hasDataSet) {
        return context.abstractSyntax !== verification &&
          context.abstractSyntax === command.sopClass
          ? store(command.sopUid, context)
          : discardData(outcomeOfError(wrongContext), instanceLimits.instanceBytes)
      }
      if (hasDataSet) return discardData(unrecognized, limits.identifierBytes)
      answer(contextId, command, unrecognized)
      return undefined
    },
    complete(context, command, reception) {
      answering = reception
        .finish()
        .then((outcome) => answer(context, command, outcome))
        .finally(() => (answering = undefined))
    },
    settled: async () => answering,
  }
}

const unrecognized: Outcome = {
  status: status.unrecognizedOperation,
  comment: 'service is not offered here',
}

const wrongContext = new ProtocolError('unsupported', 'SOP class is not that of its context')

const aborted = (message: string) =>
  new PduError(abortReason.unspecified, message, abortSource.user)
