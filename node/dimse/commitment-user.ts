import { authorizeRoute } from '#protocol/authorize.ts'
import { ProtocolError } from '#protocol/errors.ts'
import { commitmentLimits } from '#protocol/limits.ts'
import type { SendRoute } from '../config.ts'
import { encodingOf } from '../dicom/transfer-syntax.ts'
import { commandField } from './command-set.ts'
import { plainSyntaxes } from './commitment.ts'
import {
  commitmentInstance,
  commitmentRequest,
  readCommitmentResult,
  type CommitmentResult,
  type Reference,
} from './commitment-data.ts'
import { encodeDataSet } from './data-set-writer.ts'
import { requireIdentifier } from './identifier.ts'
import type { ScuAssociation } from './scu-association.ts'
import type { SendQueueDeps } from './send-queue.ts'
import { sentMark, type SendWork } from './send-work.ts'
import { status } from './status.ts'
import { commitmentClass } from './syntaxes.ts'
import { encodersFor } from './text-encoder.ts'

/**
 * Storage commitment as its user: the target is asked whether it keeps what it took. Its report comes on the same
 * association, or later on one of its own.
 */
export function createCommitmentUser(deps: SendQueueDeps) {
  const { jobs, connect, random, keptCopies, clock } = deps

  const onResult = async ({ transaction, failed }: CommitmentResult): Promise<void> => {
    const job = jobs.list().find(({ work }) => work.commitment?.transactions.includes(transaction))
    if (job === undefined) throw new ProtocolError('not_found', 'no such transaction')
    const { to, study, commitment: before } = job.work
    const { commitment } = settled(job.work, transaction, failed.length)
    // Before the job forgets what was asked.
    if (commitment?.state === 'kept') {
      await keptCopies?.note({ to, study, marks: before?.asked ?? [], keptAt: clock() })
    } else if (failed.length > 0) {
      await keptCopies?.forget(study, to)
    }
    await jobs.update(job.id, (work) => settled(work, transaction, failed.length))
  }

  return {
    onResult,
    async ask(route: SendRoute, jobId: string): Promise<void> {
      const references = await takenReferences(deps, route, jobs.get(jobId)?.work)
      if (references.length === 0) return
      const { aeTitle: calledAe, ...to } = route.to
      const pairs = plainSyntaxes.map((transferSyntax) => ({
        abstractSyntax: commitmentClass,
        transferSyntax,
      }))
      const waiting = createCountdown()
      const marks = references.map(({ sop }) => sentMark(sop))
      const association = await connect(
        { ...to, calledAe },
        pairs,
        async (_command, data, context) => {
          const { keys } = await requireIdentifier(data, context.transferSyntax)
          await onResult(readCommitmentResult(keys))
          waiting.one()
          return { status: status.success }
        },
      )
      try {
        for (let at = 0; at < references.length; at += commitmentLimits.referencesMax) {
          const transaction = uidOf(random(16))
          await jobs.update(jobId, (work) => asked(work, transaction, at === 0 ? marks : undefined))
          const part = references.slice(at, at + commitmentLimits.referencesMax)
          waiting.more()
          await request(association, transaction, part)
        }
        await waiting.end(commitmentLimits.reportWaitMs)
      } finally {
        await association.release()
      }
    },
  }
}

async function request(
  association: ScuAssociation,
  transaction: string,
  references: Reference[],
): Promise<void> {
  const context = association.contextOf(commitmentClass)
  if (context === undefined) throw new ProtocolError('unsupported', 'the target commits to nothing')
  const { explicit: isExplicit } = encodingOf(context.transferSyntax)
  const data = encodeDataSet(commitmentRequest({ transaction, references }), {
    isExplicit,
    encoders: encodersFor([]),
  })
  const field = commandField.actionRequest
  const action = { field, sopClass: commitmentClass, sopUid: commitmentInstance, actionTypeId: 1 }
  const { command } = await association.ask(context.id, action, data)
  if (command.status !== status.success) {
    throw new ProtocolError('not_acceptable', 'the target did not take the request')
  }
}

/** Everything of the study that the target acknowledged. */
async function takenReferences(
  { archive, self, clock }: SendQueueDeps,
  route: SendRoute,
  work: SendWork | undefined,
): Promise<Reference[]> {
  if (work === undefined) return []
  const study = await archive.facts(work.study)
  if (study === undefined) return []
  const facts = { now: clock(), self, route: { ...route, to: work.to }, study }
  const decision = authorizeRoute(facts)
  if (!decision.ok) throw new ProtocolError(decision.code, 'the study is not sent on')
  await using reader = await archive.open(decision.grant)
  const taken = new Set(work.sent)
  return (await reader.instances())
    .filter(({ sop }) => taken.has(sentMark(sop)))
    .map(({ sop, sopClass }) => ({ sop, sopClass }))
}

/** A study that is asked about anew begins anew. */
function asked(work: SendWork, transaction: string, marks: string[] | undefined): SendWork {
  const before = marks === undefined ? work.commitment : undefined
  const transactions = [...(before?.transactions ?? []), transaction]
  const failed = before?.failed ?? 0
  const about = marks ?? before?.asked ?? []
  return { ...work, commitment: { state: 'asked', transactions, failed, asked: about } }
}

/** Kept when every transaction was reported on and nothing is missing. */
function settled(work: SendWork, transaction: string, failures: number): SendWork {
  const { commitment } = work
  if (commitment === undefined) return work
  const transactions = commitment.transactions.filter((uid) => uid !== transaction)
  const failed = commitment.failed + failures
  const end = failed === 0 ? ('kept' as const) : ('failed' as const)
  return transactions.length > 0
    ? { ...work, commitment: { ...commitment, transactions, failed } }
    : { ...work, commitment: { state: end, transactions, failed } }
}

/** Waits for as many reports as were asked for, not for ever. */
function createCountdown() {
  const { promise, resolve } = Promise.withResolvers<void>()
  let left = 0
  return {
    more: () => void left++,
    one() {
      left--
      if (left === 0) resolve()
    },
    async end(timeoutMs: number) {
      if (left === 0) return
      const timer = setTimeout(resolve, timeoutMs)
      await promise
      clearTimeout(timer)
    },
  }
}

const uidOf = (bytes: Uint8Array): string =>
  `2.25.${BigInt(`0x${Buffer.from(bytes).toString('hex')}`)}`
