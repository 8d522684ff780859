import { ProtocolError } from '#protocol/errors.ts'
import type { ReaderFrame, ReaderStream } from '#protocol/transport/transport.ts'
import type { CreditMember } from './credit-controller.ts'
import { isOwnFault } from './jobs.ts'
import type { Job } from './jobs.ts'

export type VoyageDeps = {
  stream: ReaderStream
  member: CreditMember
  wantsMax: number
  streamLingerMs: number
  take(): Job | undefined
  giveBack(job: Job): void
  /** Bytes came. */
  onMoved(): void
}

/** One bulk stream, from its opening to its end: keeps some wants under way and hands out what comes. */
export type Voyage = {
  /** Takes on work if there is room. */
  fill(): void
  drop(job: Job): void
  close(): Promise<void>
  /** Resolves when there was nothing left to do, throws when it was cut. */
  ended: Promise<void>
}

export function createVoyage(deps: VoyageDeps): Voyage {
  const { stream, member } = deps
  const wants = createWants()
  let isClosing = false
  let fault: unknown
  let linger: NodeJS.Timeout | undefined

  const close = async (): Promise<void> => {
    isClosing = true
    await stream.close()
  }
  const end = (job: Job, error?: ProtocolError): void => {
    wants.remove(job)
    job.ended(error)
    fill()
  }
  const ask = async (job: Job): Promise<void> => {
    wants.prepare(job)
    try {
      const part = await job.next()
      if (!wants.isPreparing(job) || isClosing) return
      if (part === undefined) return end(job)
      if (wants.underWay() === 0) member.resume()
      stream.want({ ...part, want: wants.begin(job), rank: job.rank })
      grant(deps)
    } catch (error) {
      if (!wants.isPreparing(job)) return
      if (isOwnFault(error)) return end(job, error)
      // Another stream may mend it; this one ends with the reason.
      fault ??= error
      await close()
    }
  }
  const fill = (): void => {
    clearTimeout(linger)
    for (let room = isClosing ? 0 : deps.wantsMax - wants.size(); room > 0; room--) {
      const job = deps.take()
      if (job === undefined) break
      void ask(job)
    }
    if (isClosing || wants.size() > 0) return
    linger = setTimeout(() => void close(), deps.streamLingerMs)
  }
  const read = async (): Promise<void> => {
    try {
      for await (const frame of stream.frames()) await hear(deps, frame, { wants, end, ask })
    } finally {
      isClosing = true
      clearTimeout(linger)
      member.leave()
      for (const job of wants.clear().reverse()) deps.giveBack(job)
      await stream.close()
    }
    if (fault !== undefined) throw fault
  }
  const ended = read()
  fill()
  return {
    fill,
    close,
    ended,
    drop(job) {
      const number = wants.remove(job)
      if (number !== undefined) stream.cancel(number)
      fill()
    },
  }
}

function grant({ stream, member }: VoyageDeps): void {
  const bytes = member.top()
  if (bytes > 0) stream.credit(bytes)
}

type Hearing = {
  wants: Wants
  end: (job: Job, error?: ProtocolError) => void
  ask: (job: Job) => Promise<void>
}

/** Gives a frame to the job it is for; frames for a job that was dropped meanwhile are of no use. */
async function hear(deps: VoyageDeps, frame: ReaderFrame, { wants, end, ask }: Hearing) {
  const number = frame.type === 'error' ? frame.error.want : frame.want
  const job = wants.get(number)
  if (frame.type === 'data') {
    deps.onMoved()
    await job?.data(frame.offset, frame.bytes).catch((error: unknown) => {
      if (wants.get(number) !== job) return
      deps.stream.cancel(frame.want)
      end(job, asProtocolError(error))
    })
    deps.member.received(frame.bytes.byteLength)
    grant(deps)
  } else if (job !== undefined && frame.type === 'error') {
    end(job, new ProtocolError(frame.error.code, 'the holder cannot send it'))
  } else if (job !== undefined) {
    wants.remove(job)
    job.sent()
    void ask(job)
  }
}

/** Jobs of a stream: those that look for what to ask for, and those that are under way. */
function createWants() {
  const byNumber = new Map<number, Job>()
  const numbers = new Map<Job, number | undefined>()
  let last = 0
  return {
    size: (): number => numbers.size,
    underWay: (): number => byNumber.size,
    get: (number: number | undefined) => (number === undefined ? undefined : byNumber.get(number)),
    prepare: (job: Job): void => void numbers.set(job, undefined),
    isPreparing: (job: Job): boolean => numbers.has(job) && numbers.get(job) === undefined,
    begin(job: Job): number {
      last += 1
      numbers.set(job, last)
      byNumber.set(last, job)
      return last
    },
    remove(job: Job): number | undefined {
      const number = numbers.get(job)
      numbers.delete(job)
      if (number !== undefined) byNumber.delete(number)
      return number
    },
    /** All of them, in the order in which they came. */
    clear(): Job[] {
      const jobs = [...numbers.keys()]
      numbers.clear()
      byNumber.clear()
      return jobs
    },
  }
}

type Wants = ReturnType<typeof createWants>

function asProtocolError(error: unknown): ProtocolError {
  if (error instanceof ProtocolError) return error
  return new ProtocolError('internal', 'the transfer failed', { cause: error })
}
