import assert from 'node:assert/strict'
import { ProtocolError } from '#protocol/errors.ts'
import {
  request as requestBytes,
  response,
  type Answer,
  type Command,
  type SubRequest,
} from './command-set.ts'
import type { Accepted } from './dcmjs-dimse.ts'
import type { DimseLimits, Link } from './link.ts'
import { abortPdu, abortReason, abortSource } from './pdu.ts'
import { PduError } from './pdu-guard.ts'
import { collectData, type Reception } from './receive-store.ts'
import type { Exchange, Reply } from './service.ts'
import type { Data, Speech } from './speech.ts'
import { isPending } from './status.ts'
import { within } from './within.ts'

/** Our side of what is said on one association. */
export type Exchanges = {
  /** The way back for one request. */
  begin(contextId: number, command: Command): Exchange & { readonly isAnswered: boolean }
  /** The request is done with: it cannot be cancelled any more. */
  end(command: Command): void
  /** C-CANCEL (PS3.7 §9.3.2.3); of what has ended already nobody needs to be told. */
  cancel(messageId: number): void
  /** Takes the peer's response to a request of ours; where its data set goes, when one follows. */
  respondTo(command: Command): Reception | undefined
  answer(contextId: number, command: Command, answer: Answer): Promise<void> | undefined
  /** The association is over. */
  close(): void
}

export type ExchangesDeps = {
  contexts: Accepted
  link: Pick<Link, 'close'>
  speech: Speech
  limits: Pick<DimseLimits, 'responseTimeoutMs' | 'identifierBytes'>
}

export function createExchanges(deps: ExchangesDeps): Exchanges {
  const { speech, contexts } = deps
  const over = new AbortController()
  const running = new Map<number, AbortController>()
  const requests = createRequests(deps, over.signal)

  const answer = (contextId: number, command: Command, answer: Answer) =>
    speech.say(contextId, response(command, answer), answer.dataSet)

  return {
    begin(contextId, command) {
      const cancel = new AbortController()
      running.set(command.messageId, cancel)
      let isAnswered = false
      return {
        contexts,
        signal: over.signal,
        cancelled: AbortSignal.any([cancel.signal, over.signal]),
        get isAnswered() {
          return isAnswered
        },
        async respond(given) {
          assert(!isAnswered, 'nothing follows a final response')
          isAnswered = !isPending(given.status)
          await answer(contextId, command, given)
        },
        async respondAll(status, dataSets) {
          assert(!isAnswered && isPending(status), 'nothing follows a final response')
          const [dataSet] = dataSets
          if (dataSet === undefined) return
          await speech.sayAll(contextId, response(command, { status, dataSet }), dataSets)
        },
        request: requests.send,
      }
    },
    end: ({ messageId }) => void running.delete(messageId),
    cancel: (messageId) => running.get(messageId)?.abort(),
    respondTo: requests.respondTo,
    answer,
    close: () => over.abort(),
  }
}

/** Requests of ours that wait for their response. */
function createRequests({ speech, link, limits }: ExchangesDeps, over: AbortSignal) {
  type Waiting = { field: number; settle: (reply: Reply) => void }
  const unsettled = new Set<(error: ProtocolError) => void>()
  const waiting = new Map<number, Waiting>()
  let messageId = 0

  const lost = () => new ProtocolError('aborted', 'the association was lost')
  const onOver = () => {
    for (const fail of unsettled) fail(lost())
  }
  over.addEventListener('abort', onOver, { once: true })

  return {
    async send(contextId: number, asked: SubRequest, data?: Data): Promise<Reply> {
      messageId = (messageId % 65_535) + 1
      const id = messageId
      // Each has a promise of its own: a race with the end of the association would hold all of them until then.
      const { promise, resolve, reject } = Promise.withResolvers<Reply>()
      promise.catch(() => undefined)
      waiting.set(id, { field: asked.field, settle: resolve })
      unsettled.add(reject)
      if (over.aborted) reject(lost())
      try {
        await speech.say(contextId, requestBytes(id, asked, data !== undefined), data)
        return await within(promise, limits.responseTimeoutMs)
      } catch (error) {
        link.close(abortPdu(abortReason.unspecified, abortSource.user))
        throw error
      } finally {
        unsettled.delete(reject)
        waiting.delete(id)
      }
    },
    respondTo(command: Command): Reception | undefined {
      const found = waiting.get(command.messageIdRespondedTo)
      if (found === undefined || command.field !== (found.field | 0x8000)) {
        throw new PduError(
          abortReason.unspecified,
          'a response without a request',
          abortSource.user,
        )
      }
      waiting.delete(command.messageIdRespondedTo)
      if (command.hasDataSet) {
        return collectData(limits.identifierBytes, async (dataSet) => {
          found.settle({ command, dataSet })
          return undefined
        })
      }
      found.settle({ command })
      return undefined
    },
  }
}
