import { ProtocolError } from '#protocol/errors.ts'
import type { ReaderFrame, ReaderStream } from '#protocol/transport/transport.ts'
import { isOwnFault } from './jobs.ts'
import type { Job, Part } from './jobs.ts'
import type { Purse } from './purse.ts'

export type VoyageDeps = {
  stream: ReaderStream
  purse: Purse
  wantsMax: number
  streamLingerMs: number
  take(): Job | undefined
  giveBack(job: Job): void
  /** Bytes came. */
  onMoved(bytes: number): void
}

/** One bulk stream, from its opening to its end: keeps some wants under way and hands out what comes. */
export type Voyage = {
  /** Takes on work if there is room. */
  fill(): void
  drop(job: Job): void
  /** Serves a job that it has taken on before all others, as fast as the link allows; false when it has not. */
  hurry(job: Job, rank: number): boolean
  close(): Promise<void>
  /** Resolves when there was nothing left to do, throws when it was cut. */
  ended: Promise<void>
}

export function createVoyage(deps: VoyageDeps): Voyage {
  const { stream, purse } = deps
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
    purse.settle(job)
    job.ended(error)
    fill()
  }
  const ask = async (job: Job): Promise<void> => {
    wants.prepare(job)
    const next = await settled(job.next())
    if (!wants.isPreparing(job) || isClosing) return
    if ('part' in next) {
      if (next.part === undefined) return end(job)
      if (wants.underWay() === 0) purse.resume()
      stream.want({ ...wants.begin(job, next.part), rank: job.rank })
      return grant(deps)
    }
    if (isOwnFault(next.error)) return end(job, next.error)
    // Another stream may mend it; this one ends with the reason.
    fault ??= next.error
    await close()
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
      purse.leave()
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
      purse.settle(job)
      fill()
    },
    hurry: (job, rank) =>
      !isClosing && wants.has(job) && hurryOn(deps, wants.asked(job), job, rank),
  }
}

function hurryOn(deps: VoyageDeps, asked: Asked | undefined, job: Job, rank: number): true {
  job.rank = rank
  deps.purse.hurry(job)
  if (asked !== undefined) deps.stream.want({ ...asked, rank })
  grant(deps)
  return true
}

async function settled(
  next: Promise<Part | undefined>,
): Promise<{ part: Part | undefined } | { error: unknown }> {
  try {
    return { part: await next }
  } catch (error) {
    return { error }
  }
}

function grant({ stream, purse }: VoyageDeps): void {
  const bytes = purse.top()
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
    // Metadata is no part of the study's bytes.
    deps.onMoved(job?.isAside === true ? 0 : frame.bytes.byteLength)
    await job?.data(frame.offset, frame.bytes).catch((error: unknown) => {
      if (wants.get(number) !== job) return
      deps.stream.cancel(frame.want)
      end(job, asProtocolError(error))
    })
    deps.purse.received(frame.bytes.byteLength)
    grant(deps)
  } else if (job !== undefined && frame.type === 'error') {
    end(job, new ProtocolError(frame.error.code, 'the holder cannot send it'))
  } else if (job !== undefined) {
    wants.remove(job)
    job.sent()
    void ask(job)
  }
}

type Asked = Part & { want: number }

/** Jobs of a stream: those that look for what to ask for, and those that are under way. */
function createWants() {
  const byNumber = new Map<number, Job>()
  const numbers = new Map<Job, number | undefined>()
  const parts = new Map<Job, Asked>()
  let last = 0
  return {
    size: (): number => numbers.size,
    underWay: (): number => byNumber.size,
    get: (number: number | undefined) => (number === undefined ? undefined : byNumber.get(number)),
    prepare: (job: Job): void => void numbers.set(job, undefined),
    isPreparing: (job: Job): boolean => numbers.has(job) && numbers.get(job) === undefined,
    has: (job: Job): boolean => numbers.has(job),
    begin(job: Job, part: Part): Asked {
      last += 1
      numbers.set(job, last)
      byNumber.set(last, job)
      const asked = { ...part, want: last }
      parts.set(job, asked)
      return asked
    },
    /** What was asked for in this job's name, to ask for it with another rank. */
    asked: (job: Job) => parts.get(job),
    remove(job: Job): number | undefined {
      const number = numbers.get(job)
      numbers.delete(job)
      parts.delete(job)
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
