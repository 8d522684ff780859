import { commandField } from '../command-set.ts'
import type { Accepted } from '../dcmjs-dimse.ts'
import { requireIdentifier } from '../identifier.ts'
import { callerOf, type QueryDoors } from '../query/doors.ts'
import { getModels } from '../query/models.ts'
import type { Exchange, Service } from '../service.ts'
import type { Accepting } from './fitting.ts'
import { isExplicitSyntax, retrieve, type Receiver, type RetrievalDeps } from './retrieval.ts'
import { select } from './selection.ts'

/** C-GET: instances come back on the caller's own association (PS3.4 §C.4.3). */
export function createGetService(
  deps: { doors: QueryDoors } & Pick<RetrievalDeps, 'pool' | 'log'>,
): Service {
  return {
    permission: 'retrieve',
    abstractSyntaxes: new Set(getModels.keys()),
    fields: new Set([commandField.getRequest]),
    async perform(request, exchange) {
      const { context, identifier, device } = request
      const caller = callerOf(request)
      const levels = getModels.get(context.abstractSyntax) ?? []
      const { keys } = await requireIdentifier(identifier, context.transferSyntax)
      await using selection = await select({ ...deps, caller, receiver: device }, keys, levels)
      const receiver = createCallerReceiver(exchange)
      const detail = `C-GET to ${caller.ae}`
      const isExplicit = isExplicitSyntax(context.transferSyntax)
      const parts = { ...deps, exchange, receiver, caller, detail }
      await exchange.respond(await retrieve(parts, selection, isExplicit))
    },
  }
}

function createCallerReceiver(exchange: Exchange): Receiver {
  const contexts = providedContexts(exchange.contexts)
  return {
    ready: async () => true,
    contextsOf: (sopClass) => contexts.get(sopClass) ?? [],
    async store(contextId, { sopClass, sop }, data) {
      const asked = { field: commandField.storeRequest, sopClass, sopUid: sop }
      const { command } = await exchange.request(contextId, asked, data)
      return command.status
    },
  }
}

/** Contexts in which the caller agreed to be the provider (PS3.7 §D.3.3.4). */
function providedContexts(accepted: Accepted): Map<string, Accepting[]> {
  const contexts = new Map<string, Accepting[]>()
  for (const [id, { abstractSyntax, transferSyntax, roles }] of accepted) {
    if (roles?.provider !== true) continue
    const known = contexts.get(abstractSyntax) ?? []
    contexts.set(abstractSyntax, [...known, { id, transferSyntax }])
  }
  return contexts
}
