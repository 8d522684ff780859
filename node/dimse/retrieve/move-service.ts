import { codeOf } from '#protocol/errors.ts'
import { isIP } from 'node:net'
import { startOf } from '../../apparatus.ts'
import type { Device } from '../../config.ts'
import { transferSyntaxes } from '../../dicom/transfer-syntax.ts'
import type { Log } from '../../log.ts'
import { commandField } from '../command-set.ts'
import { requireIdentifier } from '../identifier.ts'
import type { DimseLimits } from '../link.ts'
import { callerOf, type QueryDoors } from '../query/doors.ts'
import { moveModels } from '../query/models.ts'
import { openAssociation, type Pair, type ScuAssociation, type Target } from '../scu-association.ts'
import type { Request, Service } from '../service.ts'
import { status } from '../status.ts'
import { isExplicitSyntax, retrieve, type Receiver, type RetrievalDeps } from './retrieval.ts'
import { select, type Selection } from './selection.ts'

export type MoveDeps = {
  doors: QueryDoors
  /** Ours, as which destinations are called. */
  aeTitle: string
  devices: () => readonly Device[]
  clock: () => number
  limits: DimseLimits
  /** What we show to destinations that listen with TLS. */
  identity?: NonNullable<Target['identity']>
} & Pick<RetrievalDeps, 'pool' | 'log'>

/** C-MOVE: instances go to a registered device, on an association of ours (PS3.4 §C.4.2). */
export function createMoveService(deps: MoveDeps): Service {
  return {
    permission: 'retrieve',
    abstractSyntaxes: new Set(moveModels.keys()),
    fields: new Set([commandField.moveRequest]),
    async perform(request, exchange) {
      const { context, identifier, command } = request
      const destination = destinationOf(deps, command.moveDestination ?? '')
      const target = destination && targetOf(deps, destination)
      if (destination === undefined || target === undefined) {
        const comment = 'move destination is not registered'
        return exchange.respond({ status: status.unknownDestination, comment })
      }
      const caller = callerOf(request)
      const levels = moveModels.get(context.abstractSyntax) ?? []
      const { keys } = await requireIdentifier(identifier, context.transferSyntax)
      await using selection = await select({ ...deps, caller, receiver: destination }, keys, levels)
      await using first = createDeviceReceiver(deps, { target, selection, request })
      const again = { target, selection, request, isSecond: true }
      await using second = createDeviceReceiver(deps, again)
      const receiver = {
        ...first,
        beside: async () => ((await second.ready()) ? second : undefined),
      }
      const detail = `C-MOVE to ${target.calledAe}`
      const isExplicit = isExplicitSyntax(context.transferSyntax)
      const parts = { ...deps, exchange, receiver, caller, detail }
      const answer = await retrieve(parts, selection, isExplicit)
      const comment = first.trouble()
      await exchange.respond(comment === undefined ? answer : { ...answer, comment })
    },
  }
}

/** A registered device in service that listens. */
const destinationOf = ({ devices, clock }: MoveDeps, ae: string): Device | undefined =>
  devices().find((one) => one.aeTitle === ae && one.port !== undefined && startOf(one) <= clock())

/** At its host or its first single address. */
function targetOf({ aeTitle, identity }: MoveDeps, device: Device): Target | undefined {
  const { port, tls, certificate, aeTitle: calledAe } = device
  const host = device.host ?? device.addresses.find((address) => isIP(address) !== 0)
  if (port === undefined || host === undefined) return undefined
  return {
    host,
    port,
    calledAe,
    callingAe: aeTitle,
    ...(tls !== undefined && { tls }),
    ...(certificate !== undefined && { certificate }),
    ...(identity !== undefined && { identity }),
  }
}

type Way = { target: Target; selection: Selection; request: Request; isSecond?: boolean }

/**
 * One association, kept for the whole retrieval and opened again when it is lost. Of a long retrieval there are two:
 * while the destination works on what came on one, the other sends. A destination that takes one only gets one.
 */
function createDeviceReceiver(
  { limits, log }: { limits: DimseLimits; log: Log },
  { target, selection, request, isSecond = false }: Way,
): Receiver & AsyncDisposable & { trouble(): string | undefined } {
  const pairs = pairsOf(selection, limits.contextsMax)
  const originator = { aeTitle: request.origin.callingAe, messageId: request.command.messageId }
  let association: ScuAssociation | undefined
  let isLost = false
  let isOver = false

  const open = async (): Promise<boolean> => {
    try {
      association = await openAssociation({ ...target, pairs, limits })
      if (isOver) await association.release()
      return !isOver
    } catch (error) {
      const code = codeOf(error)
      if (isSecond) log.info({ code }, 'a move destination takes no second association')
      else log.warn({ code }, 'a move destination cannot be reached')
      isLost = true
      return false
    }
  }
  return {
    /** For the Error Comment, of at most 64 characters. */
    trouble() {
      if (!isLost) return undefined
      return association === undefined
        ? 'move destination cannot be reached or refuses association'
        : 'association with move destination was lost, no other taken'
    },
    async ready() {
      if (isLost || pairs.length === 0) return false
      return association?.isOpen === true || open()
    },
    contextsOf: (sopClass) =>
      pairs
        .filter(({ abstractSyntax }) => abstractSyntax === sopClass)
        .flatMap((pair) => {
          const id = association?.contextFor(pair)
          return id === undefined ? [] : [{ id, transferSyntax: pair.transferSyntax }]
        }),
    async store(contextId, { sopClass, sop }, data) {
      if (association === undefined) return status.processingFailure
      const asked = { field: commandField.storeRequest, sopClass, sopUid: sop, originator }
      const { command } = await association.ask(contextId, asked, data)
      return command.status
    },
    async [Symbol.asyncDispose]() {
      isOver = true
      await association?.release()
    },
  }
}

/** What is stored first, each in a context of its own; then the syntaxes that everything else can be written in. */
function pairsOf({ studies }: Selection, countMax: number): Pair[] {
  const { explicitLittleEndian, implicitLittleEndian } = transferSyntaxes
  const pairs = new Map<string, Pair>()
  const add = (abstractSyntax: string, transferSyntax: string) =>
    pairs.set(`${abstractSyntax} ${transferSyntax}`, { abstractSyntax, transferSyntax })
  const all = studies.flatMap(({ instances }) => instances)
  for (const { sopClass, transferSyntax } of all) add(sopClass, transferSyntax)
  for (const syntax of [explicitLittleEndian, implicitLittleEndian]) {
    for (const { sopClass } of all) add(sopClass, syntax)
  }
  return [...pairs.values()].slice(0, countMax)
}
