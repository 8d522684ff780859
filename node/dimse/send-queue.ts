import { authorizeRoute } from '#protocol/authorize.ts'
import type { AuditEntry } from '#protocol/audit-event.ts'
import { ProtocolError } from '#protocol/errors.ts'
import type { OrganizationOid } from '#protocol/ids.ts'
import { sendLimits } from '#protocol/limits.ts'
import type { Archive, InstanceEntry, StudyReader } from '../archive/archive.ts'
import { textOf } from '../archive/attribute-levels.ts'
import type { SendRoute } from '../config.ts'
import type { Log } from '../log.ts'
import type { Job, JobQueue } from '../store/job-queue.ts'
import type { Connect } from './commitment.ts'
import type { CommitmentResult } from './commitment-data.ts'
import { createCommitmentUser } from './commitment-user.ts'
import type { KeptCopies } from './kept-copies.ts'
import { createJobRunner } from './job-runner.ts'
import { targetKey } from './routing.ts'
import { createStoreScu, type OutgoingItem } from './scu.ts'
import type { Target } from './scu-association.ts'
import { sentMark, type SendWork } from './send-work.ts'
import { isWarning, status } from './status.ts'

export type SendQueueDeps = {
  routes: readonly SendRoute[]
  archive: Pick<Archive, 'facts' | 'open'>
  jobs: JobQueue<SendWork>
  /** Where it is written down what targets keep; absent: nowhere. */
  keptCopies?: Pick<KeptCopies, 'note' | 'forget'>
  connect: Connect
  /** What this node is to its peers. */
  own: Pick<Target, 'callingAe' | 'identity'>
  self: OrganizationOid
  audit: (entry: AuditEntry) => Promise<unknown>
  clock: () => number
  random: (bytes: number) => Uint8Array
  log: Log
}

export type SendQueue = AsyncDisposable & {
  /** A target reports on what it was asked to commit to. */
  onResult(result: CommitmentResult): Promise<void>
}

/** Sends what routes want, byte for byte as it was received, and goes on where it was interrupted. */
export function createSendQueue(deps: SendQueueDeps): SendQueue {
  const { jobs } = deps
  const routes = new Map(deps.routes.map((route) => [targetKey(route), route]))
  const commitment = createCommitmentUser(deps)
  const runner = createJobRunner({
    ...deps,
    queue: jobs,
    lanesMax: sendLimits.targetsMax,
    laneOf: ({ to }) => to,
    async run(job, signal) {
      const route = routes.get(job.work.to)
      if (route === undefined) throw new ProtocolError('not_found', 'there is no such route now')
      await send(deps, route, { job, signal })
      if (route.commitment) await commitment.ask(route, job.id)
      return ({ wanted }: SendWork) => wanted === job.work.wanted
    },
  })
  return {
    onResult: commitment.onResult,
    [Symbol.asyncDispose]: () => runner[Symbol.asyncDispose](),
  }
}

type Attempt = { job: Job<SendWork>; signal: AbortSignal }

async function send(
  deps: SendQueueDeps,
  route: SendRoute,
  { job, signal }: Attempt,
): Promise<void> {
  await using reader = await openFor(deps, route, job.work)
  const left = await unsent(reader, route, job.work)
  if (left.length === 0) return
  const total = left.reduce((sum, { bytes }) => sum + bytes, 0)
  const about = { study: job.work.study, instances: left.length, bytes: total }
  await deps.audit(
    entryOf(deps, route, { event: 'begin-transferring', outcome: 'success', ...about }),
  )
  const progress = createProgress(deps, job)
  const { aeTitle: calledAe, ...to } = route.to
  const scu = createStoreScu({ ...to, ...deps.own, calledAe })
  const marks = new Map<string, string>(left.map((entry) => [entry.sop, markOf(route, entry)]))
  const notMade = (error: unknown) => {
    progress.refuse()
    deps.log.warn({ err: error }, 'an instance cannot have its corrections written in')
  }
  const isPlain = route.corrected !== true || left.every(({ overlay }) => overlay === undefined)
  // A list shows beforehand what it needs, but making all of them then would take their memory.
  const items = isPlain ? left.map(itemOf(reader)) : correctedItems(reader, left, notMade)
  try {
    for await (const { sopUid, status, comment } of scu.store(items)) {
      checkRoom(status)
      if (isWarning(status)) deps.log.warn({ status }, 'an instance was taken with a reservation')
      if (isTaken(status)) await progress.take(marks.get(sopUid) ?? '', isWarning(status))
      else {
        progress.refuse()
        deps.log.warn({ status, comment }, 'an instance was not taken')
      }
      // After its answer is taken: what the target has need not be sent to it once more.
      if (signal.aborted) throw new ProtocolError('aborted', 'the node stops')
    }
  } finally {
    await progress.keep()
    await scu[Symbol.asyncDispose]()
  }
  const isWhole = progress.refused() === 0
  const outcome = isWhole ? 'success' : 'failure'
  await deps.audit(entryOf(deps, route, { event: 'instances-transferred', outcome, ...about }))
  if (!isWhole) throw new ProtocolError('not_acceptable', 'instances were not taken')
}

const isTaken = (code: number): boolean => code === status.success || isWarning(code)

/** Out of resources (A7xx): it is no use to go on now. */
function checkRoom(code: number): void {
  if (code >> 8 === 0xa7) throw new ProtocolError('unavailable', 'the target has no room')
}

async function openFor(
  { archive, self, clock }: SendQueueDeps,
  route: SendRoute,
  { study, to }: SendWork,
): Promise<StudyReader> {
  const held = await archive.facts(study)
  const facts = { now: clock(), self, route: { ...route, to } }
  const decision = authorizeRoute(held === undefined ? facts : { ...facts, study: held })
  if (!decision.ok) throw new ProtocolError(decision.code, 'the study is not sent on')
  return archive.open(decision.grant)
}

/** What the target has not, of the series that the route wants; damaged ones too, for nothing may be lost. */
async function unsent(
  reader: StudyReader,
  route: SendRoute,
  { sent }: SendWork,
): Promise<InstanceEntry[]> {
  const has = new Set(sent)
  const series = await reader.series()
  const wanted = new Set(
    series
      .filter(
        ({ attributes }) => route.modalities?.includes(textOf(attributes, '00080060')) ?? true,
      )
      .map(({ series }) => series),
  )
  return (await reader.instances()).filter(
    (entry) => wanted.has(entry.series) && !has.has(markOf(route, entry)),
  )
}

/** What was corrected after it was sent is sent again to whoever wants the corrections. */
const markOf = ({ corrected }: SendRoute, { sop, overlay }: InstanceEntry): string =>
  sentMark(corrected === true && overlay !== undefined ? `${sop} ${overlay}` : sop)

/** Read while it is sent. */
const itemOf =
  (reader: StudyReader) =>
  ({ sop, sopClass, transferSyntax, bytes }: InstanceEntry): OutgoingItem => ({
    sopClass,
    sopUid: sop,
    transferSyntax,
    dataSet: {
      bytes,
      parts: { [Symbol.asyncIterator]: () => reader.read(sop)[Symbol.asyncIterator]() },
    },
  })

/** One after the other, as each is wanted; what was corrected with that written in, and never without. */
async function* correctedItems(
  reader: StudyReader,
  entries: readonly InstanceEntry[],
  notMade: (error: unknown) => void,
): AsyncGenerator<OutgoingItem> {
  const stored = itemOf(reader)
  for (const entry of entries) {
    if (entry.overlay === undefined || reader.corrected === undefined) {
      yield stored(entry)
      continue
    }
    try {
      const { transferSyntax, bytes, read } = await reader.corrected(entry.sop)
      yield { ...stored(entry), transferSyntax, dataSet: { bytes, parts: read() } }
    } catch (error) {
      notMade(error)
    }
  }
}

/** What was acknowledged is written down now and then, and in the end; what is not is sent once more. */
function createProgress(
  { jobs, keptCopies }: Pick<SendQueueDeps, 'jobs' | 'keptCopies'>,
  { id, work: { study, to } }: Job<SendWork>,
) {
  let taken: string[] = []
  let warned: string[] = []
  let refused = 0
  const keep = async () => {
    const [news, doubts] = [taken, warned]
    taken = []
    warned = []
    // What the target kept before may be what it changed now.
    if (doubts.length > 0) await keptCopies?.forget(study, to)
    await jobs.update(id, (work) => {
      const all = [...new Set([...(work.warned ?? []), ...doubts])]
      const sent = [...new Set([...work.sent, ...news])]
      return { ...work, sent, refused, ...(all.length > 0 && { warned: all }) }
    })
  }
  return {
    keep,
    refused: () => refused,
    refuse: () => void refused++,
    async take(mark: string, isDoubtful: boolean) {
      taken.push(mark)
      if (isDoubtful) warned.push(mark)
      if (taken.length >= sendLimits.progressEvery) await keep()
    },
  }
}

function entryOf(
  { self, own }: SendQueueDeps,
  { to }: SendRoute,
  about: Pick<AuditEntry, 'event' | 'outcome'> & Partial<AuditEntry>,
): AuditEntry {
  const who = { organization: self, user: own.callingAe, role: 'node' }
  return {
    ...who,
    source: `${to.host}:${to.port}`,
    holder: self,
    detail: `to ${to.aeTitle}`,
    ...about,
  }
}
