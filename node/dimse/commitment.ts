import { z } from 'zod'
import { ProtocolError } from '#protocol/errors.ts'
import type { SopUid } from '#protocol/ids.ts'
import { commitmentLimits } from '#protocol/limits.ts'
import type { Archive } from '../archive/archive.ts'
import type { Device } from '../config.ts'
import type { DicomJson } from '../dicom/dicom-json.ts'
import { encodingOf, transferSyntaxes } from '../dicom/transfer-syntax.ts'
import type { Log } from '../log.ts'
import type { JobQueue } from '../store/job-queue.ts'
import { createTurns } from '#protocol/turns.ts'
import { commandField, type Answer, type SubRequest } from './command-set.ts'
import {
  commitmentEvent,
  commitmentInstance,
  commitmentReport,
  CommitmentRequest,
  failureReason,
  readCommitmentRequest,
  readCommitmentResult,
  type CommitmentResult,
  type Failure,
  type Reference,
} from './commitment-data.ts'
import { encodersFor } from '../dicom/text-encoder.ts'
import { encodeDataSet } from './data-set-writer.ts'
import { requireIdentifier } from './identifier.ts'
import { createJobRunner } from './job-runner.ts'
import type { Pair, ScuAssociation, ScuAssociationOptions, Target } from './scu-association.ts'
import type { Exchange, Reply, Request, Service } from './service.ts'
import { status } from './status.ts'
import { commitmentClass } from './syntaxes.ts'

/** A report that a device still waits for; its request is kept until it has been delivered. */
export const CommitmentReport = CommitmentRequest.extend({ device: z.string().max(64) })
export type CommitmentReport = z.infer<typeof CommitmentReport>

/** Opens an association from this node. */
export type Connect = (
  target: Omit<Target, 'callingAe' | 'identity'>,
  pairs: readonly Pair[],
  onRequest?: ScuAssociationOptions['onRequest'],
) => Promise<ScuAssociation>

export type CommitmentDeps = {
  archive: Pick<Archive, 'verify'>
  reports: JobQueue<CommitmentReport>
  devices: { get(id: string): Device | undefined }
  connect: Connect
  /** Instances that may wait for their report. */
  referencesWaitingMax?: number
  /** Reports that one device may be owed. */
  reportsPerDeviceMax?: number
  /** A peer answers a request of ours (see `send-queue.ts`). */
  onResult: (result: CommitmentResult) => Promise<void>
  clock: () => number
  log: Log
}

/**
 * Storage Commitment (PS3.4 §J). A request is kept before it is answered. Each instance is then read whole from the disk
 * and compared with its digests; the report goes out on the same association, else on one of our own.
 */
export function createCommitment(deps: CommitmentDeps): Service & AsyncDisposable {
  const { reports, log } = deps
  const held = new Set<string>()
  const tellings = new Set<Promise<void>>()
  const inTurn = createTurns()
  const verify = (work: CommitmentReport) => inTurn(async () => verified(deps.archive, work))

  const runner = createJobRunner({
    ...deps,
    queue: reports,
    lanesMax: 4,
    laneOf: ({ device }) => device,
    isHeld: (id) => held.has(id),
    run: async ({ work }) => reportAnew(deps, work, await verify(work)),
  })

  /** While the device is still there it is told at once. */
  const reportHere = async (id: string, { contextId, context }: Request, exchange: Exchange) => {
    const work = reports.get(id)?.work
    if (work === undefined) return
    const result = await verify(work)
    if (exchange.signal.aborted) return
    const data = encodeIdentifier(commitmentReport(result), context)
    const { command } = await exchange.request(contextId, eventOf(result), data)
    if (command.status === status.success) await reports.succeed(id)
  }

  const tell = async (id: string, request: Request, exchange: Exchange) => {
    held.add(id)
    try {
      await reportHere(id, request, exchange)
    } catch (error) {
      log.debug({ err: error }, 'a report goes out by itself')
    } finally {
      held.delete(id)
    }
    if (reports.get(id)?.state !== 'waiting') return
    // When even that cannot be written it goes out at its own time.
    await reports.retry(id).catch((error: unknown) => {
      log.error({ err: error }, 'a report is late')
      runner.wake()
    })
  }

  return {
    permission: 'commitment',
    abstractSyntaxes: new Set([commitmentClass]),
    fields: new Set([commandField.actionRequest, commandField.eventReportRequest]),
    async perform(request, exchange) {
      if (request.command.field === commandField.eventReportRequest) {
        const { eventTypeId } = request.command
        await deps.onResult(readCommitmentResult(await keysOf(request), eventTypeId))
        return exchange.respond({ status: status.success })
      }
      const refusal = refusalOf(request)
      if (refusal !== undefined) return exchange.respond(refusal)
      const asked = readCommitmentRequest(await keysOf(request))
      const work = { ...asked, device: request.device.id }
      checkRoom(deps, work)
      const { id } = await reports.add(work, { delayMs: commitmentLimits.reportDelayMs })
      await exchange.respond({ status: status.success })
      const telling = tell(id, request, exchange).finally(() => tellings.delete(telling))
      tellings.add(telling)
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(tellings)
      await runner[Symbol.asyncDispose]()
    },
  }
}

/** Reports that nobody takes are held in memory: not for any number of instances, nor all of them for one device. */
function checkRoom(
  {
    reports,
    referencesWaitingMax = commitmentLimits.referencesWaitingMax,
    reportsPerDeviceMax = commitmentLimits.reportsPerDeviceMax,
  }: CommitmentDeps,
  { references, device }: CommitmentReport,
): void {
  const waiting = reports.list().filter(({ state }) => state === 'waiting')
  const own = waiting.filter(({ work }) => work.device === device)
  const sumOf = (jobs: typeof waiting) =>
    jobs.reduce((sum, { work }) => sum + work.references.length, references.length)
  if (
    sumOf(waiting) > referencesWaitingMax ||
    sumOf(own) > commitmentLimits.referencesPerDeviceMax ||
    own.length >= reportsPerDeviceMax
  ) {
    throw new ProtocolError('too_large', 'too many instances wait for their report')
  }
}

const keysOf = async ({ identifier, context }: Request): Promise<DicomJson> =>
  (await requireIdentifier(identifier, context.transferSyntax)).keys

function encodeIdentifier(data: DicomJson, { transferSyntax }: { transferSyntax: string }): Buffer {
  const { explicit: isExplicit } = encodingOf(transferSyntax)
  return encodeDataSet(data, { isExplicit, encoders: encodersFor([]) })
}

function refusalOf({ command }: Request): Answer | undefined {
  if (command.sopUid !== commitmentInstance) {
    return { status: status.noSuchInstance, comment: 'not the instance of storage commitment' }
  }
  return command.actionTypeId === 1
    ? undefined
    : { status: status.noSuchAction, comment: 'no such action type' }
}

async function verified(
  archive: Pick<Archive, 'verify'>,
  { transaction, references }: CommitmentRequest,
): Promise<CommitmentResult> {
  const kept: Reference[] = []
  const failed: Failure[] = []
  for (const reference of references) {
    const reason = await failureOf(archive, reference)
    if (reason === undefined) kept.push(reference)
    else failed.push({ ...reference, reason })
  }
  return { transaction, kept, failed }
}

async function failureOf(
  archive: Pick<Archive, 'verify'>,
  { sop, sopClass }: Reference,
): Promise<number | undefined> {
  try {
    const found = await archive.verify(sop as SopUid)
    if (found === undefined) return failureReason.noSuchInstance
    if (found.sopClass !== sopClass) return failureReason.classConflict
    return found.isIntact ? undefined : failureReason.processingFailure
  } catch {
    return failureReason.processingFailure
  }
}

const eventOf = ({ failed }: CommitmentResult): SubRequest => ({
  field: commandField.eventReportRequest,
  sopClass: commitmentClass,
  sopUid: commitmentInstance,
  eventTypeId: failed.length === 0 ? commitmentEvent.allKept : commitmentEvent.someMissing,
})

/** Little Endian, which every peer must take. */
export const plainSyntaxes = [
  transferSyntaxes.explicitLittleEndian,
  transferSyntaxes.implicitLittleEndian,
] as const

/** On an association of our own we are the provider, and say so (PS3.4 §J.3.3.2). */
async function reportAnew(
  { devices, connect }: CommitmentDeps,
  { device: id }: CommitmentReport,
  result: CommitmentResult,
): Promise<void> {
  const device = devices.get(id)
  if (device === undefined) throw new ProtocolError('not_found', 'the device is not registered')
  const roles = { user: false, provider: true }
  const pairs = plainSyntaxes.map((transferSyntax) => ({
    abstractSyntax: commitmentClass,
    transferSyntax,
    roles,
  }))
  const association = await connect(targetOf(device), pairs)
  try {
    const context = association.contextOf(commitmentClass)
    if (context === undefined) throw new ProtocolError('unsupported', 'no report is taken there')
    const data = encodeIdentifier(commitmentReport(result), context)
    const reply: Reply = await association.ask(context.id, eventOf(result), data)
    if (reply.command.status !== status.success) {
      throw new ProtocolError('aborted', 'the device did not take the report')
    }
  } finally {
    await association.release()
  }
}

/** Where a registered device listens: at its host, else at its only address. */
export function targetOf(device: Device): Parameters<Connect>[0] {
  const { aeTitle: calledAe, port, tls, certificate, addresses } = device
  const host = device.host ?? addresses.find((address) => !address.includes('/'))
  if (host === undefined || port === undefined) {
    throw new ProtocolError('unavailable', 'the register does not say where the device listens')
  }
  return { host, port, calledAe, ...(tls && { tls }), ...(certificate && { certificate }) }
}
