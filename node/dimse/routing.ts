import { z } from 'zod'
import { ProtocolError } from '#protocol/errors.ts'
import type { OrganizationOid, StudyUid } from '#protocol/ids.ts'
import { queueLimits, sendLimits } from '#protocol/limits.ts'
import { authorizeRoute } from '#protocol/authorize.ts'
import type { Archive } from '../archive/archive.ts'
import type { SendRoute } from '../config.ts'
import type { Log } from '../log.ts'
import type { JobQueue } from '../store/job-queue.ts'
import type { Loaded, Records } from '../store/records.ts'
import type { KeptCopy } from './kept-copies.ts'
import type { SendWork } from './send-work.ts'

/** Names a target: two routes to one place are one queue. */
export const targetKey = ({ to }: SendRoute): string => `${to.aeTitle}@${to.host}:${to.port}`

export type RoutingDeps = {
  routes: readonly SendRoute[]
  archive: Pick<Archive, 'changes' | 'facts' | 'on'>
  /** How far the archive's changes have become jobs. */
  records: Pick<Records, 'load' | 'put' | 'del'>
  jobs: JobQueue<SendWork>
  self: OrganizationOid
  clock: () => number
  log: Log
  /** How long more may arrive before what changed is looked at. */
  settleMs?: number
  /** What may be owed to all targets together; each has an equal part of it. */
  jobsMax?: number
}

const cursorKind = 'send-cursor'
const Cursor = z.int().min(0)
/** Where one cursor for all targets lay. */
const formerKey = 'archive'

/**
 * Makes jobs of what changed in the archive. Each target follows the changes at its own pace and its place is kept, so
 * nothing is missed over a restart, and one that is away for long holds up no other. A target that is new begins with
 * what comes from then on; one whose place cannot be read, with the first change: its jobs know what it has.
 */
export async function openRouting(deps: RoutingDeps): Promise<AsyncDisposable> {
  const { routes, records, jobsMax = queueLimits.jobsMax } = deps
  const targets = Map.groupBy(routes, targetKey)
  const share = Math.floor(jobsMax / targets.size)
  await using opened = new AsyncDisposableStack()
  const kept = await records.load(cursorKind, Cursor, { mayLogKeys: true })
  for (const [to, own] of targets) {
    const cursor = await firstCursor(deps, kept, to)
    opened.use(await openFollower(deps, { to, routes: own, share, cursor }))
  }
  await records.del(cursorKind, formerKey)
  return opened.move()
}

type Way = { to: string; routes: readonly SendRoute[]; share: number; cursor: number }

async function openFollower(deps: RoutingDeps, way: Way): Promise<AsyncDisposable> {
  const { records, archive, jobs, log, settleMs = sendLimits.settleMs } = deps
  const { to, share } = way
  let timer: NodeJS.Timeout | undefined
  let following: Promise<void> | undefined
  let isClosed = false
  let isBehind = false
  let { cursor } = way

  const hasRoom = () => owedTo(jobs, to) < share
  const follow = async () => {
    for (;;) {
      const changes = await archive.changes(cursor, sendLimits.changesPerRead)
      if (changes.length === 0 || isClosed) break
      await followAll(changes)
    }
    isBehind = false
  }
  /** The place moves with each change: what found room is not planned anew because what comes after it found none. */
  const followAll = async (changes: Awaited<ReturnType<typeof archive.changes>>) => {
    const planned = new Set<StudyUid>()
    try {
      for (const { study, position } of changes) {
        if (!planned.has(study)) await plan(deps, way, study)
        planned.add(study)
        cursor = position
      }
    } finally {
      await records.put(cursorKind, to, cursor)
    }
  }
  const tryFollow = async () => {
    try {
      await follow()
    } catch (error) {
      if (!isBehind) log.warn({ err: error }, 'changes wait to be sent on')
      isBehind = true
      // A job that ends makes room, and is heard of; whatever else it was may be over a little later.
      if (hasRoom()) wake()
    }
  }
  const wake = () => {
    if (isClosed) return
    timer ??= setTimeout(() => {
      timer = undefined
      following = (following ?? Promise.resolve()).then(tryFollow)
    }, settleMs).unref()
  }
  const stopArchive = archive.on(wake)
  const stopJobs = jobs.onChange(() => {
    if (isBehind && hasRoom()) wake()
  })
  await tryFollow()
  return {
    async [Symbol.asyncDispose]() {
      isClosed = true
      stopArchive()
      stopJobs()
      clearTimeout(timer)
      await following
    },
  }
}

const owedTo = (jobs: JobQueue<SendWork>, to: string): number =>
  jobs.owed().filter(({ work }) => work.to === to).length

async function firstCursor(
  { records, archive }: RoutingDeps,
  { rows, unreadable }: Loaded<number>,
  to: string,
): Promise<number> {
  const known = rows.get(to)
  if (known !== undefined) return known
  // It stays until there is a later place to put there.
  if (unreadable.has(to)) return 0
  const former = unreadable.has(formerKey) ? 0 : rows.get(formerKey)
  const cursor = former ?? (await endOfChanges(archive))
  await records.put(cursorKind, to, cursor)
  return cursor
}

async function endOfChanges({ changes }: Pick<Archive, 'changes'>): Promise<number> {
  let end = 0
  for (;;) {
    const last = (await changes(end, sendLimits.changesPerRead)).at(-1)
    if (last === undefined) return end
    end = last.position
  }
}

/** A study that fits a route has one job there, which begins anew when the study changes. */
async function plan(
  { archive, jobs, self, clock }: RoutingDeps,
  { to, routes, share }: Way,
  study: StudyUid,
): Promise<void> {
  const facts = await archive.facts(study)
  if (facts === undefined) return
  for (const route of routes) {
    const about = { now: clock(), self, route: { ...route, to }, study: facts }
    if (!authorizeRoute(about).ok) continue
    const known = jobs.list().find(({ work }) => work.to === to && work.study === study)
    if (known === undefined) {
      if (owedTo(jobs, to) >= share) {
        throw new ProtocolError('unavailable', 'a target is owed as many studies as it may be')
      }
      await jobs.add({ to, study, wanted: 1, sent: [], refused: 0 })
    } else if (known.state !== 'cancelled') {
      await jobs.update(known.id, more, { isNew: true })
    }
  }
}

/** Has a target asked again whether it keeps what it kept; a job that goes on will ask by itself. */
export async function renewCopy(
  jobs: JobQueue<SendWork>,
  { to, study, marks }: Pick<KeptCopy, 'to' | 'study' | 'marks'>,
): Promise<void> {
  const known = jobs.list().find(({ work }) => work.to === to && work.study === study)
  if (known === undefined) await jobs.add({ to, study, wanted: 1, sent: marks, refused: 0 })
  else if (known.state === 'done') await jobs.update(known.id, more, { isNew: true })
}

const more = (work: SendWork): SendWork => ({ ...work, wanted: work.wanted + 1 })
