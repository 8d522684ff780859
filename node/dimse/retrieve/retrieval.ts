import { codeOf } from '#protocol/errors.ts'
import { queryLimits } from '#protocol/limits.ts'
import type { PixelPool } from '../../dicom/pixel-workers/pool.ts'
import { transferSyntaxes } from '../../dicom/transfer-syntax.ts'
import type { Log } from '../../log.ts'
import type { Answer, Counts } from '../command-set.ts'
import { createDataSetWriter } from '../data-set-writer.ts'
import type { DeviceCaller, QueryDoors, Transfer } from '../query/doors.ts'
import type { Exchange } from '../service.ts'
import type { Data } from '../speech.ts'
import { isWarning, status } from '../status.ts'
import { fit, type Accepting, type Fitted } from './fitting.ts'
import type { Selection, Wanted } from './selection.ts'

/** Where the instances of one retrieval go: back to the caller, or to another device. */
export type Receiver = {
  /** Gets or keeps the way there open; false when there is none any more. */
  ready(): Promise<boolean>
  contextsOf(sopClass: string): readonly Accepting[]
  /** Another way to the same place, to be used at the same time; nothing when there is none. It does not throw. */
  beside?(): Promise<Receiver | undefined>
  /** One C-STORE; the receiver's status. Throws when the way there is lost. */
  store(contextId: number, wanted: Wanted, data: Data): Promise<number>
}

export type RetrievalDeps = {
  exchange: Exchange
  receiver: Receiver
  doors: Pick<QueryDoors, 'transferring' | 'transferred'>
  caller: DeviceCaller
  /** For the audit: by which service, and to whom. */
  detail: string
  pool: PixelPool
  log: Log
}

/** Sends what was selected, one instance after the other (PS3.4 §C.4.2.3, §C.4.3.3); the final response. */
export async function retrieve(
  deps: RetrievalDeps,
  { studies, count }: Selection,
  isExplicit: boolean,
): Promise<Answer> {
  const run = createRun(deps, count)
  for (const { study, bytes, instances } of studies) {
    if (run.isOver()) break
    const transfer: Transfer = { study, instances: instances.length, bytes, detail: deps.detail }
    await deps.doors.transferring(deps.caller, transfer)
    const sent = await run.send(instances)
    const outcome = sent.instances === instances.length ? 'success' : 'failure'
    await deps.doors.transferred(deps.caller, { ...transfer, ...sent }, outcome)
  }
  return run.finish(isExplicit)
}

function createRun(deps: RetrievalDeps, count: number) {
  const { exchange, receiver } = deps
  const tally = createTally(count)
  const sender = createSender(deps)
  const isOver = () => exchange.cancelled.aborted
  type Sent = { instances: number; bytes: number }

  /** Takes from the queue and sends by one way; what a second way cannot send goes back. */
  async function sendBy(way: Receiver, queue: Queue, sent: Sent): Promise<void> {
    const ahead = createAhead(queue, async (wanted) => sender.prepare(way, wanted))
    if (await way.ready()) ahead.fill()
    for (let next = await ahead.next(); next !== undefined; next = await ahead.next()) {
      const { wanted, fitted } = next
      if (isOver()) break
      const isReady = !sender.isGivenUp() && (await way.ready())
      if (!isReady && way !== receiver) {
        queue.giveBack([wanted, ...ahead.rest()])
        break
      }
      ahead.fill()
      const code = isReady ? await sender.store(way, wanted, fitted) : status.processingFailure
      if (tally.note(wanted, code)) {
        sent.instances++
        sent.bytes += wanted.bytes
      }
      const counts = tally.counts()
      if (counts.remaining > 0) await exchange.respond({ status: status.pending, counts })
    }
    await ahead.settled()
  }

  return {
    isOver,
    async send(instances: readonly Wanted[]): Promise<Sent> {
      const sent = { instances: 0, bytes: 0 }
      const queue = createQueue(instances)
      const isLong = instances.length >= queryLimits.besideInstances
      let second: Promise<void> | undefined
      let failure: unknown
      let isDone = false
      const help = (way: Receiver | undefined): void => {
        if (way === undefined || isDone) return
        second = sendBy(way, queue, sent).catch((error: unknown) => {
          failure = error
        })
      }
      // A destination that works on one association at a time opens the second one when the first is over.
      if (isLong && (await receiver.ready())) void receiver.beside?.().then(help)
      await sendBy(receiver, queue, sent)
      isDone = true
      await second
      if (failure !== undefined) throw failure
      await sendBy(receiver, queue, sent)
      return sent
    },
    finish: (isExplicit: boolean): Answer => tally.finish(isOver(), isExplicit),
  }
}

type Queue = { take(): Wanted | undefined; giveBack(instances: readonly Wanted[]): void }

function createQueue(instances: readonly Wanted[]): Queue {
  const returned: Wanted[] = []
  let begun = 0
  return {
    take: () => returned.shift() ?? instances[begun++],
    giveBack: (those) => void returned.push(...those),
  }
}

/** Instances that are read before it is their turn, so many as are allowed in memory. */
function createAhead(queue: Queue, prepare: (wanted: Wanted) => Promise<Fitted | undefined>) {
  const waiting: { wanted: Wanted; fitted: Promise<Fitted | undefined> }[] = []
  let bytes = 0
  const hasRoom = (): boolean =>
    waiting.length === 0 ||
    (waiting.length < queryLimits.aheadInstances && bytes < queryLimits.aheadBytes)

  return {
    fill(): void {
      while (hasRoom()) {
        const wanted = queue.take()
        if (wanted === undefined) return
        waiting.push({ wanted, fitted: prepare(wanted) })
        bytes += wanted.bytes
      }
    },
    /** Not read when it was not begun; nothing when all have been taken. */
    async next(): Promise<{ wanted: Wanted; fitted: Fitted | undefined } | undefined> {
      const first = waiting.shift()
      if (first === undefined) {
        const wanted = queue.take()
        return wanted && { wanted, fitted: undefined }
      }
      bytes -= first.wanted.bytes
      return { wanted: first.wanted, fitted: await first.fitted }
    },
    rest: (): Wanted[] => waiting.map(({ wanted }) => wanted),
    async settled(): Promise<void> {
      await Promise.all(waiting.map(({ fitted }) => fitted))
    },
  }
}

/** Reads and stores; gives up on a receiver that fails again and again. */
function createSender({ exchange, pool, log }: RetrievalDeps) {
  let failuresInRow = 0
  const isGivenUp = () => failuresInRow >= queryLimits.failuresInRowMax
  return {
    isGivenUp,
    /** An instance in a form that the receiver takes, read while the one before it is on its way. */
    async prepare(way: Receiver, wanted: Wanted): Promise<Fitted | undefined> {
      if (exchange.cancelled.aborted || isGivenUp()) return undefined
      const { signal } = exchange
      try {
        return await fit(wanted, way.contextsOf(wanted.sopClass), { pool, signal })
      } catch (error) {
        if (!signal.aborted) log.warn({ err: error }, 'an instance could not be read')
        return undefined
      }
    },
    async store(way: Receiver, wanted: Wanted, fitted: Fitted | undefined): Promise<number> {
      if (fitted === undefined) return status.sopClassNotSupported
      try {
        const code = await way.store(fitted.contextId, wanted, fitted.data)
        failuresInRow = 0
        return code
      } catch (error) {
        failuresInRow++
        // Over our caller's own association there is nobody left to answer.
        if (exchange.signal.aborted) throw error
        log.warn({ code: codeOf(error) }, 'an instance was not taken')
        return status.processingFailure
      }
    },
  }
}

function createTally(count: number) {
  const counts = { completed: 0, failed: 0, warning: 0 }
  const failed: string[] = []
  let remaining = count
  return {
    counts: () => ({ remaining, ...counts }),
    /** True when the receiver has the instance. */
    note({ sop }: Wanted, code: number): boolean {
      remaining--
      if (code === status.success) counts.completed++
      else if (isWarning(code)) counts.warning++
      else {
        counts.failed++
        if (failed.length < queryLimits.failedListMax) failed.push(sop)
        return false
      }
      return true
    },
    finish(isCancelled: boolean, isExplicit: boolean): Answer {
      return {
        status: finalStatus(counts, isCancelled),
        counts: isCancelled ? { remaining, ...counts } : counts,
        ...(failed.length > 0 && { dataSet: failedList(failed, isExplicit) }),
      }
    },
  }
}

function finalStatus({ completed, failed, warning }: Counts, isCancelled: boolean): number {
  if (isCancelled) return status.cancelled
  if (failed === 0 && warning === 0) return status.success
  return completed === 0 && warning === 0 ? status.unableToPerform : status.warning
}

/** Failed SOP Instance UID List (PS3.4 §C.4.2.1.4.2). */
function failedList(sops: readonly string[], isExplicit: boolean): Buffer {
  const writer = createDataSetWriter(isExplicit)
  writer.element(0x00080058, 'UI', { vr: 'UI', Value: [...sops] })
  return writer.finish()
}

export const isExplicitSyntax = (transferSyntax: string): boolean =>
  transferSyntax === transferSyntaxes.explicitLittleEndian
