import { canonicalJson } from '#protocol/canonical-json.ts'
import { codeOf, ProtocolError } from '#protocol/errors.ts'
import { urnOf } from '#protocol/ids.ts'
import type { Kid, OrganizationOid, PublicJwk, StudyUid } from '#protocol/ids.ts'
import type { IndexEntry, IndexHead } from '#protocol/index-log.ts'
import { sha256Hex } from '#protocol/jws.ts'
import type { Signer } from '#protocol/jws.ts'
import { indexLimits } from '#protocol/limits.ts'
import type { StudyRecord } from '#protocol/study.ts'
import type { Connection } from '#protocol/transport/transport.ts'
import type { Archive } from '../archive/archive.ts'
import type { Log } from '../log.ts'
import { takeBackOwnLog } from './own-log.ts'
import { openPublished } from './published.ts'
import type { Published } from './published.ts'
import { createPusher } from './pusher.ts'
import type { Rows } from './rows.ts'

/**
 * Makes this node's index log and brings it to the registry. An entry is synced to the archive's value log before it
 * is first sent, so that a number, once seen by others, is never signed again with other content.
 */
export type Publisher = AsyncDisposable & {
  /** Sends what the registry lacks, now and as entries are made, until this connection ends or another one comes. */
  push(connection: Pick<Connection, 'request'>): Promise<void>
  head(): IndexHead
  /** Resolves when every change of the archive up to now has its entry, or waits for its interval. */
  settled(): Promise<void>
}

type Deps = {
  archive: Pick<Archive, 'record' | 'changes' | 'append' | 'replay' | 'on'>
  rows: Rows
  signer: Signer
  self: OrganizationOid
  /** The node's own keys, also earlier ones. */
  keyOf: (kid: Kid) => PublicJwk | undefined
  clock: () => number
  log: Log
  /** Between two entries of one study that still grows. */
  entryIntervalMs?: number
}

type State = {
  published: Published
  /** Studies with changes: when their next entry is due, and the oldest change it stands for (0: none). */
  pending: Map<StudyUid, { due: number; from: number }>
  /** The last change of the archive that was looked at. */
  position: number
  isClosed: boolean
}

export async function openPublisher(deps: Deps): Promise<Publisher> {
  const { archive, log, clock } = deps
  const published = await openPublished({
    rows: deps.rows,
    replay: () => archive.replay('index-entry'),
  })
  const state = await openState(published, clock())
  let timer: NodeJS.Timeout | undefined
  let work: Promise<void> = Promise.resolve()

  const round = async (): Promise<void> => {
    clearTimeout(timer)
    try {
      await collect(deps, state)
      await publishDue(deps, state, () => pusher.wake())
      timer = later(state.pending.size === 0 ? undefined : nextDue(state) - clock())
    } catch (error) {
      // A full disk, for example: nothing is lost, the archive still knows its changes.
      log.error({ code: codeOf(error) }, 'could not make an index entry; will try again')
      timer = later(indexLimits.entryIntervalMs)
    }
  }
  let isQueued = false
  const run = (): void => {
    gathering.end()
    if (state.isClosed || isQueued) return
    isQueued = true
    work = work.then(() => {
      isQueued = false
      return round()
    })
  }
  const gathering = createGathering(run)
  /** In turn with the rounds: nothing is signed meanwhile. */
  const takeBack = async (connection: Pick<Connection, 'request'>): Promise<void> => {
    const taking = work.then(() => takeBackAll(deps, state, connection))
    work = taking.catch(() => undefined)
    await taking
    run()
  }
  const pusher = createPusher({ published, log, takeBack })
  const later = (ms: number | undefined): NodeJS.Timeout | undefined =>
    ms === undefined || state.isClosed ? undefined : setTimeout(run, Math.max(ms, 10))
  const stopListening = archive.on((event) => {
    if (event.kind === 'study-complete') {
      const from = state.pending.get(event.study)?.from ?? 0
      state.pending.set(event.study, { due: clock(), from })
      run()
    } else gathering.begin()
  })
  run()

  return {
    push: (connection) => pusher.push(connection),
    head: () => published.head(),
    settled() {
      run()
      return work
    },
    async [Symbol.asyncDispose]() {
      state.isClosed = true
      stopListening()
      pusher.stop()
      gathering.end()
      await work
      clearTimeout(timer)
    },
  }
}

const openState = async (published: Published, due: number): Promise<State> => ({
  published,
  pending: new Map((await published.open()).map((study) => [study, { due, from: 0 }])),
  position: await published.position(),
  isClosed: false,
})

/** However many instances arrive, one round sees them all: each costs reads and a write. */
function createGathering(run: () => void): { begin(): void; end(): void } {
  let timer: NodeJS.Timeout | undefined
  return {
    begin: () => void (timer ??= setTimeout(run, indexLimits.gatherMs)),
    end() {
      clearTimeout(timer)
      timer = undefined
    },
  }
}

const nextDue = ({ pending }: State): number =>
  Math.min(...[...pending.values()].map(({ due }) => due))

async function takeBackAll(
  deps: Deps,
  { published, pending }: State,
  connection: Pick<Connection, 'request'>,
): Promise<void> {
  const { entries, studies } = await takeBackOwnLog(connection, { ...deps, published })
  for (const study of studies) pending.set(study, { due: 0, from: 0 })
  if (entries === 0) return
  deps.log.warn(
    { entries, studies: studies.size },
    'an older copy of this archive was put back: its index was taken from the registry',
  )
}

async function collect({ archive, clock, ...deps }: Deps, state: State): Promise<void> {
  const { pending, published } = state
  const interval = deps.entryIntervalMs ?? indexLimits.entryIntervalMs
  while (pending.size < indexLimits.pendingStudiesMax) {
    const changes = await archive.changes(state.position, indexLimits.changesPerRead)
    for (const { position, study } of changes) {
      state.position = position
      const known = pending.get(study)
      if (known !== undefined && known.from > 0) continue
      const said = await published.said(study)
      const due = known?.due ?? (said === undefined ? clock() : said.at + interval)
      pending.set(study, { due, from: position })
    }
    if (changes.length < indexLimits.changesPerRead) return
  }
}

/** One that is further ahead than any wait was set by a clock that has been set back since. */
function isDue(due: number, now: number, { entryIntervalMs = 0 }: Deps): boolean {
  return due <= now || due > now + Math.max(entryIntervalMs, indexLimits.entryIntervalMs)
}

async function publishDue(deps: Deps, state: State, onEntry: () => void): Promise<void> {
  const { pending, published } = state
  const now = deps.clock()
  for (const [study, { due }] of pending) {
    if (!isDue(due, now, deps) || state.isClosed) continue
    // Whatever changes from here on comes as a change, and waits for its own entry.
    pending.delete(study)
    try {
      await publish(deps, published, study)
    } catch (error) {
      pending.set(study, { due: now + indexLimits.entryIntervalMs, from: 1 })
      throw error
    }
    onEntry()
  }
  // Everything before the oldest change that still waits has been published.
  const waiting = [...pending.values()].filter(({ from }) => from > 0).map(({ from }) => from - 1)
  await published.setPosition(Math.min(state.position, ...waiting))
}

async function publish(deps: Deps, published: Published, study: StudyUid): Promise<void> {
  const { archive, signer, self, clock } = deps
  const record = await archive.record(study)
  const before = await published.said(study)
  const digest = await sha256Hex(record === undefined ? 'removed' : canonicalJson(record))
  if (before?.digest === digest || (record === undefined && before === undefined)) return
  const { seq, digest: prev } = published.head()
  const common = {
    v: 1 as const,
    org: urnOf(self),
    seq: seq + 1,
    prev,
    iat: Math.floor(clock() / 1000),
  }
  const token =
    record === undefined
      ? await signer.sign('cami-index+jwt', {
          ...common,
          kind: 'study-removed',
          record: { study },
        } satisfies IndexEntry)
      : await signStudy(signer, { ...common, kind: 'study', record })
  await archive.append('index-entry', Buffer.from(token, 'utf8'))
  await published.add(token, { digest, at: clock(), isOpen: record?.state === 'open' })
}

/** A study of very many series is described by as many of them as an entry holds; its counts stay true. */
async function signStudy(
  signer: Signer,
  entry: Extract<IndexEntry, { kind: 'study' }>,
): Promise<string> {
  for (let { series } = entry.record; ; series = series.slice(0, Math.floor(series.length / 2))) {
    const record: StudyRecord = { ...entry.record, series }
    try {
      return await signer.sign('cami-index+jwt', { ...entry, record })
    } catch (error) {
      const isTooLarge = error instanceof ProtocolError && error.code === 'too_large'
      if (!isTooLarge || series.length === 0) throw error
    }
  }
}
