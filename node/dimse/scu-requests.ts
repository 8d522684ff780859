import { ProtocolError } from '#protocol/errors.ts'
import {
  commandField,
  request as requestBytes,
  response,
  type Answer,
  type Command,
} from './command-set.ts'
import type { Accepted } from './dcmjs-dimse.ts'
import type { DimseLimits, Link } from './link.ts'
import type { MessagesDeps } from './messages.ts'
import { abortPdu, abortReason, abortSource } from './pdu.ts'
import { PduError } from './pdu-guard.ts'
import { collectData, type Reception } from './receive-store.ts'
import type { ScuAssociation, ScuAssociationOptions } from './scu-association.ts'
import type { Reply } from './service.ts'
import type { Speech } from './speech.ts'
import { isPending, outcomeOfFailure } from './status.ts'
import { within } from './within.ts'

export type ScuRequests = Pick<ScuAssociation, 'ask' | 'askMany'>

type Deps = {
  link: Pick<Link, 'close' | 'isClosing'>
  speech: Speech
  contexts: Accepted
  onRequest?: NonNullable<ScuAssociationOptions['onRequest']>
  limits: DimseLimits
}

/** Requests of ours and the responses to them, one request at a time; and requests of the peer's. */
export function createScuRequests(
  deps: Deps,
): ScuRequests & Pick<MessagesDeps, 'perform' | 'complete'> & { lose(error: ProtocolError): void } {
  const { identifierBytes } = deps.limits
  const asking = createAsking(deps)

  /** A request of the peer's, answered when its data set is here. */
  const hear = async (contextId: number, command: Command) => {
    const serve = servant(deps, contextId, command)
    if (command.hasDataSet) return collectData(identifierBytes, serve)
    await serve()
    return undefined
  }

  return {
    askMany: asking.askMany,
    async ask(...asked) {
      for await (const reply of asking.askMany(...asked)) return reply
      throw new ProtocolError('aborted', 'the peer did not answer')
    },
    perform(contextId, command) {
      if (command.field < commandField.response) return hear(contextId, command)
      const replies = asking.repliesTo(command)
      const take = () => takeReply(replies, command, identifierBytes)
      const room = replies.room()
      return room === undefined ? take() : room.then(take)
    },
    complete: (_context, _command, reception) => void reception.finish(),
    lose: asking.lose,
  }
}

function takeReply(replies: Replies, command: Command, bytesMax: number): Reception | undefined {
  if (command.hasDataSet) {
    return collectData(bytesMax, async (dataSet) => {
      replies.add({ command, dataSet })
      return undefined
    })
  }
  replies.add({ command })
  return undefined
}

function createAsking({ link, speech, limits }: Deps) {
  let messageId = 0
  let waiting: { id: number; field: number; replies: Replies } | undefined
  let lost: ProtocolError | undefined
  const abort = () => link.close(abortPdu(abortReason.unspecified, abortSource.user))

  /** The peer is told that we want no more; what it still says is heard out. */
  const cancel = async (contextId: number, id: number, replies: Replies) => {
    try {
      await speech.say(contextId, cancelBytes(id))
      let isOver = false
      while (!isOver) {
        const { command } = await within(replies.next(), limits.closeTimeoutMs)
        isOver = !isPending(command.status)
      }
    } catch {
      abort()
    }
  }

  async function* askMany(
    ...[contextId, asked, data]: Parameters<ScuRequests['askMany']>
  ): AsyncGenerator<Reply, void, void> {
    if (lost !== undefined) throw lost
    messageId = (messageId % 65_535) + 1
    const id = messageId
    const replies = createReplies(limits.repliesAhead)
    waiting = { id, field: asked.field | commandField.response, replies }
    let isOver = false
    try {
      await speech.say(contextId, requestBytes(id, asked, data !== undefined), data)
      while (!isOver) {
        const reply = replies.taken() ?? (await within(replies.next(), limits.responseTimeoutMs))
        isOver = !isPending(reply.command.status)
        yield reply
      }
    } catch (error) {
      isOver = true
      abort()
      throw error
    } finally {
      if (!isOver) await cancel(contextId, id, replies)
      waiting = undefined
    }
  }

  return {
    askMany,
    repliesTo({ messageIdRespondedTo, field }: Command): Replies {
      if (messageIdRespondedTo === waiting?.id && field === waiting.field) return waiting.replies
      throw new PduError(abortReason.unexpectedPdu, 'an answer to nothing')
    },
    lose(error: ProtocolError) {
      lost = error
      waiting?.replies.fail(error)
    },
  }
}

function servant(
  { onRequest, contexts, link, speech }: Deps,
  contextId: number,
  command: Command,
): (dataSet?: Buffer) => Promise<undefined> {
  const context = contexts.get(contextId)
  if (onRequest === undefined || context === undefined) {
    throw new PduError(abortReason.unexpectedPdu, 'a request where none is served')
  }
  return async (dataSet) => {
    const asked = onRequest(command, dataSet, context)
    const answer: Answer = await asked.catch((error) => outcomeOfFailure(error, command.field))
    if (link.isClosing) return undefined
    await speech.say(contextId, response(command, answer), answer.dataSet)
    return undefined
  }
}

/** C-CANCEL (PS3.7 §9.3.2.3). */
function cancelBytes(messageId: number): Buffer {
  const bytes = Buffer.alloc(42)
  const elements = [
    [0x0000, 4, 30],
    [0x0100, 2, commandField.cancelRequest],
    [0x0120, 2, messageId],
    [0x0800, 2, 0x0101],
  ] as const
  let at = 0
  for (const [element, length, value] of elements) {
    bytes.writeUInt16LE(element, at + 2)
    bytes.writeUInt32LE(length, at + 4)
    bytes.writeUIntLE(value, at + 8, length)
    at += 8 + length
  }
  return bytes
}

type Replies = ReturnType<typeof createReplies>

/** Responses that came before they were asked for; not many, for the peer is not read meanwhile. */
function createReplies(ahead: number) {
  const here: Reply[] = []
  let failure: ProtocolError | undefined
  let wake: (() => void) | undefined
  let make: (() => void) | undefined
  const settle = () => {
    wake?.()
    wake = undefined
  }
  /** One that is here already. */
  const taken = (): Reply | undefined => {
    const reply = here.shift()
    if (reply === undefined) return undefined
    make?.()
    make = undefined
    return reply
  }
  return {
    add(reply: Reply) {
      here.push(reply)
      settle()
    },
    fail(error: ProtocolError) {
      failure = error
      settle()
      make?.()
    },
    /** Something to wait for while there is none. */
    room(): Promise<void> | undefined {
      if (here.length < ahead || failure !== undefined) return undefined
      return new Promise<void>((resolve) => (make = resolve))
    },
    taken,
    async next(): Promise<Reply> {
      for (;;) {
        const reply = taken()
        if (reply !== undefined) return reply
        if (failure !== undefined) throw failure
        await new Promise<void>((resolve) => (wake = resolve))
      }
    },
  }
}
