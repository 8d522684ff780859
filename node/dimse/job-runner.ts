import { codeOf } from '#protocol/errors.ts'
import type { Log } from '../log.ts'
import type { Job, JobQueue } from '../store/job-queue.ts'

export type JobRunner = AsyncDisposable & {
  /** Looks for work that is due. */
  wake(): void
  /** Resolves when nothing is being worked on. */
  idle(): Promise<void>
}

/** Timers of Node end at 2^31 ms. */
const sleepMsMax = 24 * 60 * 60 * 1000

/**
 * Works on the jobs of a queue that are due: one at a time in a lane, a few at a time over all. What `run` throws
 * postpones the job.
 */
export function createJobRunner<T>(deps: {
  queue: JobQueue<T>
  /** Gives what the job must still be to be done, when more work may have come meanwhile. */
  run: (job: Job<T>, signal: AbortSignal) => Promise<void | ((work: T) => boolean)>
  laneOf: (work: T) => string
  /** Being worked on elsewhere. */
  isHeld?: (id: string) => boolean
  lanesMax: number
  clock: () => number
  log: Log
}): JobRunner {
  const { queue, run, laneOf, isHeld = () => false, lanesMax, clock, log } = deps
  const stopping = new AbortController()
  const busy = new Map<string, Promise<void>>()
  let timer: NodeJS.Timeout | undefined

  const work = async (job: Job<T>) => {
    try {
      const isDone = await run(job, stopping.signal)
      await queue.succeed(job.id, isDone ?? undefined)
    } catch (error) {
      if (stopping.signal.aborted) return
      const code = codeOf(error)
      log.warn({ code, job: job.id, attempts: job.attempts + 1 }, 'a job is to be tried again')
      if (code === 'internal') log.error({ err: error, job: job.id }, 'a job failed unexpectedly')
      await queue.postpone(job.id, code)
    }
  }

  const begin = (job: Job<T>, lane: string) => {
    const done = work(job)
      .catch((error: unknown) => log.error({ err: error, job: job.id }, 'a job could not be kept'))
      .finally(() => {
        busy.delete(lane)
        wake()
      })
    busy.set(lane, done)
  }

  const wake = () => {
    clearTimeout(timer)
    if (stopping.signal.aborted) return
    const { due, nextAt } = queue.ahead()
    for (const job of due) {
      const lane = laneOf(job.work)
      if (busy.size >= lanesMax) break
      if (!busy.has(lane) && !isHeld(job.id)) begin(job, lane)
    }
    // What is due and not begun waits for the end of something, which wakes.
    if (nextAt === undefined) return
    timer = setTimeout(wake, Math.min(nextAt - clock(), sleepMsMax))
    timer.unref()
  }
  const stopListening = queue.onChange(() => queueMicrotask(wake))
  wake()

  return {
    wake,
    async idle() {
      while (busy.size > 0) await Promise.all(busy.values())
    },
    async [Symbol.asyncDispose]() {
      stopListening()
      clearTimeout(timer)
      stopping.abort()
      await Promise.all(busy.values())
    },
  }
}
