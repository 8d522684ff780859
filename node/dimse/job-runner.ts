import { setTimeout as sleep } from 'node:timers/promises'
import { codeOf } from '#protocol/errors.ts'
import { queueLimits } from '#protocol/limits.ts'
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

type JobRunnerDeps<T> = {
  queue: JobQueue<T>
  /** Gives what the job must still be to be done, when more work may have come meanwhile. */
  run: (job: Job<T>, signal: AbortSignal) => Promise<void | ((work: T) => boolean)>
  laneOf: (work: T) => string
  /** Being worked on elsewhere. */
  isHeld?: (id: string) => boolean
  lanesMax: number
  /** A lane rests so long when the end of its work could not be written down: it would be done again at once. */
  restMs?: number
  clock: () => number
  log: Log
}

/**
 * Works on the jobs of a queue that are due: one at a time in a lane, a few at a time over all. The lane whose turn is
 * longest ago comes first, or a few dead peers that are owed much would hold up all others. What `run` throws postpones
 * the job.
 */
export function createJobRunner<T>(deps: JobRunnerDeps<T>): JobRunner {
  const { queue, laneOf, isHeld = () => false, lanesMax, clock, log } = deps
  const { restMs = queueLimits.delayMs } = deps
  const stopping = new AbortController()
  const busy = new Map<string, Promise<void>>()
  /** When each lane had its last turn; lanes are peers, and not many. */
  const turnOf = new Map<string, number>()
  let turn = 0
  let timer: NodeJS.Timeout | undefined

  const begin = (job: Job<T>, lane: string) => {
    turnOf.set(lane, ++turn)
    const done = attempt(deps, job, stopping.signal)
      .catch(async (error: unknown) => {
        log.error({ err: error, job: job.id }, 'a job could not be kept')
        await rest(restMs, stopping.signal)
      })
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
    const lanes = Map.groupBy(due, ({ work }) => laneOf(work))
    for (const lane of longestAgo([...lanes.keys()], turnOf)) {
      if (busy.size >= lanesMax) break
      const job = busy.has(lane) ? undefined : lanes.get(lane)?.find(({ id }) => !isHeld(id))
      if (job !== undefined) begin(job, lane)
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

async function attempt<T>(
  { queue, run, log }: JobRunnerDeps<T>,
  job: Job<T>,
  stopping: AbortSignal,
): Promise<void> {
  try {
    const isDone = await run(job, stopping)
    await queue.succeed(job.id, isDone ?? undefined)
  } catch (error) {
    if (stopping.aborted) return
    const code = codeOf(error)
    log.warn({ code, job: job.id, attempts: job.attempts + 1 }, 'a job is to be tried again')
    if (code === 'internal') log.error({ err: error, job: job.id }, 'a job failed unexpectedly')
    await queue.postpone(job.id, code)
  }
}

async function rest(ms: number, stopping: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, { signal: stopping, ref: false })
  } catch {
    // Nothing is begun any more.
  }
}

const longestAgo = (lanes: readonly string[], turnOf: ReadonlyMap<string, number>): string[] =>
  lanes.toSorted((a, b) => (turnOf.get(a) ?? 0) - (turnOf.get(b) ?? 0))
