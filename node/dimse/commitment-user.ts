import { authorizeRoute } from '#protocol/authorize.ts'
import { ProtocolError } from '#protocol/errors.ts'
import { commitmentLimits } from '#protocol/limits.ts'
import { createTurns } from '#protocol/turns.ts'
import type { SendRoute } from '../config.ts'
import { encodingOf } from '../dicom/transfer-syntax.ts'
import { commandField } from './command-set.ts'
import { plainSyntaxes } from './commitment.ts'
import {
  commitmentInstance,
  commitmentRequest,
  readCommitmentResult,
  type CommitmentRequest,
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
import { encodersFor } from '../dicom/text-encoder.ts'

/**
 * Storage commitment as its user: the target is asked whether it keeps what it took. Its report comes on the same
 * association, or on one of its own. Bytes leave the archive on it, so only what it names counts.
 */
export function createCommitmentUser(deps: SendQueueDeps & { referencesAskedMax?: number }) {
  const { jobs, connect, random, keptCopies, clock } = deps
  const { referencesAskedMax = commitmentLimits.referencesAskedMax } = deps
  const inTurn = createTurns()
  /** Whoever holds an association open until there is a report on a transaction, by whatever way it comes. */
  const awaited = new Map<string, () => void>()

  const takeResult = async (result: CommitmentResult): Promise<void> => {
    const { transaction, failed } = result
    const job = jobs.list().find(({ work }) => work.commitment?.transactions.includes(transaction))
    if (job === undefined) throw new ProtocolError('not_found', 'no such transaction')
    const { to, study } = job.work
    const { commitment } = settled(job.work, result)
    const marks = commitment?.kept ?? []
    // Before the job forgets what was asked.
    if (commitment?.transactions.length === 0 && marks.length > 0) {
      await keptCopies?.note({ to, study, marks, keptAt: clock() })
    } else if (failed.length > 0 || commitment?.state === 'failed') {
      await keptCopies?.forget(study, to)
    }
    await jobs.update(job.id, (work) => withoutMarks(settled(work, result)))
    awaited.get(transaction)?.()
  }
  /** One by one: each goes on from what the one before it left. */
  const onResult = async (result: CommitmentResult): Promise<void> =>
    inTurn(async () => takeResult(result))

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
      const requests = requestsFor(references, referencesAskedMax, () => uidOf(random(16)))
      const waiting = createCountdown(requests.length)
      const association = await connect(
        { ...to, calledAe },
        pairs,
        async ({ eventTypeId }, data, context) => {
          const { keys } = await requireIdentifier(data, context.transferSyntax)
          await onResult(readCommitmentResult(keys, eventTypeId))
          return { status: status.success }
        },
      )
      try {
        for (const { transaction } of requests) awaited.set(transaction, waiting.one)
        // All at once: a report on the first must not pass for one on everything.
        await jobs.update(jobId, (work) => asked(work, requests))
        for (const one of requests) await request(association, one)
        await waiting.end(commitmentLimits.reportWaitMs)
      } finally {
        for (const { transaction } of requests) awaited.delete(transaction)
        await association.release()
      }
    },
  }
}

function requestsFor(
  references: readonly Reference[],
  size: number,
  nextUid: () => string,
): CommitmentRequest[] {
  return Array.from({ length: Math.ceil(references.length / size) }, (_, index) => ({
    transaction: nextUid(),
    references: references.slice(index * size, (index + 1) * size),
  }))
}

async function request(association: ScuAssociation, asked: CommitmentRequest): Promise<void> {
  const context = association.contextOf(commitmentClass)
  if (context === undefined) throw new ProtocolError('unsupported', 'the target commits to nothing')
  const { explicit: isExplicit } = encodingOf(context.transferSyntax)
  const data = encodeDataSet(commitmentRequest(asked), {
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

/** Everything of the study that the target took without a reservation: only of that it can have the very same bytes. */
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
  const warned = new Set(work.warned)
  const taken = new Set(work.sent.filter((mark) => !warned.has(mark)))
  return (await reader.instances())
    .filter(({ sop }) => taken.has(sentMark(sop)))
    .map(({ sop, sopClass }) => ({ sop, sopClass }))
}

/** A study that is asked about anew begins anew. */
const asked = (work: SendWork, requests: readonly CommitmentRequest[]): SendWork => ({
  ...work,
  commitment: {
    state: 'asked',
    transactions: requests.map(({ transaction }) => transaction),
    failed: 0,
    asked: requests.flatMap(({ references }) => references.map(askedMark)),
  },
})

/** As what it was asked about: another class is another question. */
const askedMark = ({ sop, sopClass }: Reference): string => sentMark(`${sop} ${sopClass}`)

/**
 * Kept is what was asked about and is named as kept. When every transaction was reported on, what none of them named
 * has failed.
 */
function settled(work: SendWork, { transaction, kept, failed }: CommitmentResult): SendWork {
  const { commitment } = work
  if (commitment === undefined) return work
  const transactions = commitment.transactions.filter((uid) => uid !== transaction)
  const named = new Map(kept.map((reference) => [askedMark(reference), sentMark(reference.sop)]))
  const missing = new Set(failed.map(askedMark))
  const before = commitment.asked ?? []
  const left = before.filter((mark) => !named.has(mark) && !missing.has(mark))
  const news = before.flatMap((mark) => named.get(mark) ?? [])
  const failures = commitment.failed + before.length - left.length - news.length
  const marks = [...(commitment.kept ?? []), ...news]
  if (transactions.length > 0) {
    return {
      ...work,
      commitment: { state: 'asked', transactions, failed: failures, asked: left, kept: marks },
    }
  }
  const sum = failures + left.length
  const isKept = sum === 0 && marks.length > 0
  return {
    ...work,
    commitment: { state: isKept ? 'kept' : 'failed', transactions, failed: sum, kept: marks },
  }
}

/** What is kept has a record of its own once everything was reported on. */
function withoutMarks(work: SendWork): SendWork {
  const { commitment } = work
  if (commitment === undefined || commitment.transactions.length > 0) return work
  const { kept: _kept, ...rest } = commitment
  return { ...work, commitment: rest }
}

/** Waits for as many reports as were asked for, not for ever. */
function createCountdown(reports: number) {
  const { promise, resolve } = Promise.withResolvers<void>()
  let left = reports
  return {
    one() {
      left--
      if (left === 0) resolve()
    },
    async end(timeoutMs: number) {
      const timer = setTimeout(resolve, timeoutMs)
      await promise
      clearTimeout(timer)
    },
  }
}

const uidOf = (bytes: Uint8Array): string =>
  `2.25.${BigInt(`0x${Buffer.from(bytes).toString('hex')}`)}`
