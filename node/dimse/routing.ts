import type { OrganizationOid, StudyUid } from '#protocol/ids.ts'
import { sendLimits } from '#protocol/limits.ts'
import { authorizeRoute } from '#protocol/authorize.ts'
import type { Archive } from '../archive/archive.ts'
import type { SendRoute } from '../config.ts'
import type { Log } from '../log.ts'
import type { JobQueue } from '../store/job-queue.ts'
import type { Records } from '../store/records.ts'
import type { KeptCopy } from './kept-copies.ts'
import type { SendWork } from './send-work.ts'

/** Names a target: two routes to one place are one queue. */
export const targetKey = ({ to }: SendRoute): string => `${to.aeTitle}@${to.host}:${to.port}`

export type RoutingDeps = {
  routes: readonly SendRoute[]
  archive: Pick<Archive, 'changes' | 'facts' | 'on'>
  /** How far the archive's changes have become jobs. */
  records: Pick<Records, 'get' | 'put'>
  jobs: JobQueue<SendWork>
  self: OrganizationOid
  clock: () => number
  log: Log
  /** How long more may arrive before what changed is looked at. */
  settleMs?: number
}

const cursorKind = 'send-cursor'
const cursorKey = 'archive'

/**
 * Makes jobs of what changed in the archive. The place in its changes is kept, so nothing is missed over a restart; a
 * node whose first routes are configured begins with what comes from then on.
 */
export async function openRouting(deps: RoutingDeps): Promise<AsyncDisposable> {
  const { records, archive, log, settleMs = sendLimits.settleMs } = deps
  let timer: NodeJS.Timeout | undefined
  let following: Promise<void> | undefined
  let isClosed = false
  let cursor = await firstCursor(deps)

  const follow = async () => {
    for (;;) {
      const changes = await archive.changes(cursor, sendLimits.changesPerRead)
      const last = changes.at(-1)
      if (last === undefined || isClosed) return
      for (const study of new Set(changes.map(({ study }) => study))) await plan(deps, study)
      cursor = last.position
      await records.put(cursorKind, cursorKey, cursor)
    }
  }
  const wake = () => {
    timer ??= setTimeout(() => {
      following = (following ?? Promise.resolve()).then(follow).catch((error: unknown) => {
        log.warn({ err: error }, 'changes wait to be sent on')
        wake()
      })
      timer = undefined
    }, settleMs).unref()
  }
  const stop = archive.on(wake)
  await follow()
  return {
    async [Symbol.asyncDispose]() {
      isClosed = true
      stop()
      clearTimeout(timer)
      await following
    },
  }
}

async function firstCursor({ records, archive }: RoutingDeps): Promise<number> {
  const kept = await records.get(cursorKind, cursorKey)
  if (typeof kept === 'number') return kept
  let end = 0
  for (;;) {
    const changes = await archive.changes(end, sendLimits.changesPerRead)
    const last = changes.at(-1)
    if (last === undefined) break
    end = last.position
  }
  await records.put(cursorKind, cursorKey, end)
  return end
}

/** A study that fits a route has one job there, which begins anew when the study changes. */
async function plan(
  { routes, archive, jobs, self, clock }: RoutingDeps,
  study: StudyUid,
): Promise<void> {
  const facts = await archive.facts(study)
  if (facts === undefined) return
  for (const route of routes) {
    const to = targetKey(route)
    const about = { now: clock(), self, route: { ...route, to }, study: facts }
    if (!authorizeRoute(about).ok) continue
    const known = jobs.list().find(({ work }) => work.to === to && work.study === study)
    if (known === undefined) await jobs.add({ to, study, wanted: 1, sent: [], refused: 0 })
    else if (known.state !== 'cancelled') {
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
