import { ProtocolError } from '#protocol/errors.ts'
import type { ErrorCode } from '#protocol/errors.ts'
import type { ReaderStream } from '#protocol/transport/transport.ts'
import type { CreditController } from './credit-controller.ts'
import type { Job } from './jobs.ts'
import { createPurse } from './purse.ts'
import { createVoyage } from './voyage.ts'
import type { Voyage } from './voyage.ts'

export type LaneDeps = {
  openStream(signal: AbortSignal): Promise<ReaderStream>
  credit: CreditController
  /** For what somebody waits for. */
  urgentCredit: CreditController
  /** Jobs beside those that were added: background work. */
  pull?: () => Job | undefined
  /** The holder refused the reader, not just now. */
  onRefused(error: ProtocolError): void
  /** Bytes came. */
  onMoved(bytes: number): void
  onState: () => void
  limits: LaneLimits
}
export type LaneLimits = {
  wantsMax: number
  streamLingerMs: number
  reconnectDelayMs: number
  reconnectDelayMsMax: number
}

/**
 * One class of bulk streams of one reader: opens a stream while there are jobs and goes on after a cut, later and later,
 * as long as anybody waits.
 */
export type Lane = AsyncDisposable & {
  add(job: Job): void
  /** The job is not wanted any more. */
  remove(job: Job): void
  /** Brings a job that is under way before all others; false when it is not under way. */
  hurry(job: Job, rank: number): boolean
  /** Looks for work: there may be some to pull. */
  poke(): void
  state(): LaneState
}
export type LaneState = 'idle' | 'running' | 'cut'

const refusals: ReadonlySet<ErrorCode> = new Set(['forbidden', 'unauthenticated'])
export const isRefusal = (error: unknown): error is ProtocolError =>
  error instanceof ProtocolError && refusals.has(error.code)

export function createLane(deps: LaneDeps): Lane {
  const { limits } = deps
  const stop = new AbortController()
  const backlog = createBacklog(deps.pull)
  const state = createState(deps)
  let current: Voyage | undefined
  let running: Promise<void> | undefined

  /** One stream, until there is nothing left to do. */
  const sail = async (onMoved: (bytes: number) => void): Promise<void> => {
    const stream = await deps.openStream(stop.signal)
    const purse = createPurse(deps.credit, deps.urgentCredit)
    current = createVoyage({ ...limits, ...backlog, stream, purse, onMoved })
    try {
      await current.ended
    } finally {
      current = undefined
    }
  }
  const run = async (): Promise<void> => {
    let delay = limits.reconnectDelayMs
    while (!stop.signal.aborted && backlog.hasWork()) {
      try {
        await sail((bytes) => {
          delay = limits.reconnectDelayMs
          state.become('running')
          deps.onMoved(bytes)
        })
      } catch (error) {
        if (stop.signal.aborted) return
        if (isRefusal(error)) return deps.onRefused(error)
        state.become('cut')
        await pause(delay, stop.signal)
        delay = Math.min(2 * delay, limits.reconnectDelayMsMax)
      }
    }
  }
  const poke = (): void => {
    if (stop.signal.aborted) return
    current?.fill()
    running ??= run().finally(onRest)
  }
  const onRest = (): void => {
    running = undefined
    if (!stop.signal.aborted) state.become('idle')
    if (backlog.isWaiting()) poke()
  }
  return {
    poke,
    hurry: (job, rank) => current?.hurry(job, rank) ?? false,
    state: () => state.now(),
    add(job) {
      backlog.add(job)
      poke()
    },
    remove(job) {
      backlog.remove(job)
      current?.drop(job)
    },
    async [Symbol.asyncDispose]() {
      stop.abort(new ProtocolError('aborted', 'the reading has ended'))
      await current?.close()
      await running
      for (const job of backlog.clear()) job.ended(new ProtocolError('aborted', 'given up'))
    },
  }
}

function createState({ onState }: Pick<LaneDeps, 'onState'>) {
  let state: LaneState = 'idle'
  return {
    now: (): LaneState => state,
    become(next: LaneState): void {
      const isNews = state !== next
      state = next
      if (isNews) onState()
    },
  }
}

/** Jobs that no stream has taken on: those that were added, then those that can be pulled. */
function createBacklog(pull: LaneDeps['pull']) {
  const waiting: Job[] = []
  const take = (): Job | undefined => waiting.shift() ?? pull?.()
  const giveBack = (job: Job): void => void waiting.unshift(job)
  return {
    take,
    giveBack,
    add: (job: Job): void => void waiting.push(job),
    isWaiting: (): boolean => waiting.length > 0,
    hasWork(): boolean {
      const job = take()
      if (job !== undefined) giveBack(job)
      return job !== undefined
    },
    remove(job: Job): void {
      const at = waiting.indexOf(job)
      if (at >= 0) waiting.splice(at, 1)
    },
    clear: (): Job[] => waiting.splice(0),
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  await new Promise<void>((resolve) => {
    const over = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', over)
      resolve()
    }
    const timer = setTimeout(over, ms)
    signal.addEventListener('abort', over)
  })
}
