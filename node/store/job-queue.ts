import { z } from 'zod'
import { errorCodes, ProtocolError, type ErrorCode } from '#protocol/errors.ts'
import { Ulid, ulid } from '#protocol/ids.ts'
import { queueLimits } from '#protocol/limits.ts'
import type { Records } from './records.ts'
import { createTurns } from '#protocol/turns.ts'

export const jobStates = ['waiting', 'done', 'failed', 'cancelled'] as const

/** Work for a peer that may be out of reach. */
export type Job<T> = {
  id: string
  state: (typeof jobStates)[number]
  attempts: number
  /** When it is due, milliseconds; what is not waiting is never due. */
  dueAt: number
  /** Why the last attempt failed. */
  code?: ErrorCode
  createdAt: number
  changedAt: number
  work: T
}

/**
 * Jobs that survive a restart: each change is synced. An attempt that fails is repeated after a time that doubles, up
 * to a greatest one and a greatest number of attempts; then the job has failed until somebody asks for it again. A
 * failed job counts as one that waits, for nothing else may say what is left to do, unless it is forgettable.
 */
export type JobQueue<T> = {
  /** Due at once, or after `delayMs`. */
  add(work: T, options?: { delayMs?: number }): Promise<Job<T>>
  get(id: string): Job<T> | undefined
  /** The oldest first, ended ones included as long as they are kept. */
  list(): Job<T>[]
  /** What was not done yet, or failed and must be seen to. */
  owed(): Job<T>[]
  /** What is due now, and when the first of the others will be: of one moment, or one that becomes due between is missed. */
  ahead(): { due: Job<T>[]; nextAt: number | undefined }
  /** Progress within an attempt; `isNew`: there is more to do, so it is due at once with all its attempts. */
  update(id: string, next: (work: T) => T, options?: { isNew?: boolean }): Promise<void>
  /** Unless more work came meanwhile, which `isDone` tells from it. */
  succeed(id: string, isDone?: (work: T) => boolean): Promise<void>
  postpone(id: string, code: ErrorCode): Promise<void>
  /** Throws `not_found`, or `conflict` for what is done. */
  retry(id: string): Promise<void>
  cancel(id: string): Promise<void>
  onChange(listener: () => void): () => void
}

type Limits = { readonly [name in keyof typeof queueLimits]: number }

export async function openJobQueue<T>(deps: {
  records: Records
  kind: string
  work: z.ZodType<T>
  clock: () => number
  random: (bytes: number) => Uint8Array
  limits?: Partial<Limits>
  /** What failed and is of no use to anybody; absent: nothing is. */
  isForgettable?: (work: T) => boolean
}): Promise<JobQueue<T>> {
  const { clock, random, isForgettable = () => false } = deps
  const limits: Limits = { ...queueLimits, ...deps.limits }
  const kept = await loadJobs(deps)
  const isLost = ({ state, work }: Job<T>) => state === 'failed' && isForgettable(work)
  const isOwed = (job: Job<T>) => isWaiting(job) || (job.state === 'failed' && !isLost(job))
  const owed = () => kept.all().filter(isOwed)
  /** The latest ones stay for people to see. */
  const forget = async () => {
    await kept.forget(hasEnded, limits.endedKept)
    await kept.forget(isLost, limits.failedKept)
  }
  const change = async (id: string, next: (job: Job<T>) => Partial<Job<T>>) =>
    kept.save(id, (job) => ({ ...job, ...next(job), changedAt: clock() }))

  await forget()
  return {
    async add(work, { delayMs = 0 } = {}) {
      const now = clock()
      if (owed().length >= limits.jobsMax) throw full()
      const times = { dueAt: now + delayMs, createdAt: now, changedAt: now }
      const id = ulid(now, random(10))
      const job = await kept.save(id, () => ({ id, state: 'waiting', attempts: 0, work, ...times }))
      await forget()
      return job
    },
    get: (id) => kept.get(id),
    list: () => kept.all(),
    owed,
    ahead() {
      const now = clock()
      const due: Job<T>[] = []
      let nextAt: number | undefined
      for (const job of kept.all().filter(isWaiting)) {
        if (job.dueAt <= now) due.push(job)
        else nextAt = Math.min(nextAt ?? job.dueAt, job.dueAt)
      }
      return { due, nextAt }
    },
    async update(id, next, { isNew = false } = {}) {
      const anew = { state: 'waiting', attempts: 0, dueAt: clock() } as const
      await change(id, ({ work }) => ({ work: next(work), ...(isNew && anew) }))
    },
    async succeed(id, isDone = () => true) {
      await change(id, ({ work, state }) =>
        state === 'waiting' && isDone(work) ? { state: 'done' } : {},
      )
    },
    async postpone(id, code) {
      await change(id, (job) => (isWaiting(job) ? afterFailure(job, limits, clock(), code) : {}))
      await forget()
    },
    async retry(id) {
      await change(id, (job) => ({ ...undone(job), state: 'waiting', attempts: 0, dueAt: clock() }))
    },
    async cancel(id) {
      await change(id, (job) => ({ ...undone(job), state: 'cancelled' }))
    },
    onChange: kept.onChange,
  }
}

const full = () => new ProtocolError('unavailable', 'the queue is full')

const isWaiting = ({ state }: Job<unknown>): boolean => state === 'waiting'
const hasEnded = ({ state }: Job<unknown>): boolean => state === 'done' || state === 'cancelled'

function afterFailure<T>(
  { attempts }: Job<T>,
  { delayMs, delayMsMax, attemptsMax }: Limits,
  now: number,
  code: ErrorCode,
): Partial<Job<T>> {
  const dueAt = now + Math.min(delayMs * 2 ** attempts, delayMsMax)
  const isLast = attempts + 1 >= attemptsMax
  return { attempts: attempts + 1, code, dueAt, ...(isLast && { state: 'failed' }) }
}

function undone<T>(job: Job<T>): Job<T> {
  if (job.state === 'done') throw new ProtocolError('conflict', 'the work is done')
  return job
}

async function loadJobs<T>(deps: { records: Records; kind: string; work: z.ZodType<T> }) {
  const { records, kind } = deps
  const Stored = z.strictObject({
    id: Ulid,
    state: z.enum(jobStates),
    attempts: z.int(),
    dueAt: z.int(),
    code: z.enum(errorCodes).exactOptional(),
    createdAt: z.int(),
    changedAt: z.int(),
    work: deps.work,
  })
  const inTurn = createTurns()
  const { rows: jobs } = await records.load<Job<T>>(kind, Stored, { mayLogKeys: true })
  const listeners = new Set<() => void>()
  return {
    get: (id: string) => jobs.get(id),
    all: () => [...jobs.values()],
    save: async (id: string, next: (job: Job<T>) => Job<T>): Promise<Job<T>> =>
      inTurn(async () => {
        const before = jobs.get(id)
        // A new one asks nothing of what was before.
        const job = next(before ?? ({} as Job<T>))
        if (before === undefined && job.id !== id) {
          throw new ProtocolError('not_found', 'no such job')
        }
        await records.put(kind, id, job)
        jobs.set(id, job)
        for (const listener of listeners) listener()
        return job
      }),
    /** The oldest first, until `count` such jobs are left. */
    forget: async (isSuch: (job: Job<T>) => boolean, count: number) =>
      inTurn(async () => {
        const such = [...jobs.values()].filter(isSuch)
        for (const { id } of such.slice(0, Math.max(0, such.length - count))) {
          await records.del(kind, id)
          jobs.delete(id)
        }
      }),
    onChange(listener: () => void) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }
}
