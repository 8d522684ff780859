import path from 'node:path'
import { codeOf, ProtocolError } from '#protocol/errors.ts'
import type { ErrorCode } from '#protocol/errors.ts'
import type { OrganizationOid, StudyUid } from '#protocol/ids.ts'
import { exchangeLimits, streamLimits } from '#protocol/limits.ts'
import type { Connection } from '#protocol/transport/transport.ts'
import type { StudyUse } from '../access/doors.ts'
import type { SessionUser } from '../access/session-user.ts'
import type { StudyReader } from '../archive/archive.ts'
import type { Log } from '../log.ts'
import { openArrivals } from './arrivals.ts'
import type { Arrivals } from './arrivals.ts'
import { openCopies } from './copies.ts'
import type { Copies } from './copies.ts'
import { createCreditController } from './credit-controller.ts'
import { createManifestClient, type HolderKey } from './manifest-client.ts'
import { createProgress } from './progress.ts'
import { createRemoteReader } from './remote-reader.ts'
import { createRemoteStudy } from './remote-study.ts'
import type { RemoteStudy, Transfer } from './remote-study.ts'
import { createSession } from './session.ts'
import type { Peer, Session } from './session.ts'
import { createSlots } from './slots.ts'

export type { Transfer } from './remote-study.ts'

export type RemoteStudiesDeps = {
  /** Holds `copies/` and `transfers/`. */
  dir: string
  connect(holder: OrganizationOid, signal?: AbortSignal): Promise<Connection>
  /** The key that signs a holder's manifests; absent for whom we do not know. */
  holderKey: HolderKey
  /** A new single-use assertion of this user for this study; throws when no grant allows it. */
  assert(request: ReadRequest): Promise<string>
  /** A bulk stream has ended. */
  onReceived?: (assertion: string, bytes: number) => void
  clock: () => number
  log: Log
  limits?: globalThis.Partial<RemoteLimits>
}
export type RemoteLimits = {
  readonly [K in keyof (typeof streamLimits & typeof exchangeLimits)]: number
}

export type ReadRequest = {
  user: SessionUser
  study: StudyUid
  holder: OrganizationOid
  use?: StudyUse
}

/** Studies of other organizations, fetched from their holders under grants, and kept as copies by digest. */
export type RemoteStudies = AsyncDisposable & {
  /**
   * Opens a study after its holder has admitted this user, and starts to bring it here. Throws `forbidden` when it does
   * not, `holder_unreachable` when it cannot be asked.
   */
  open(request: ReadRequest): Promise<StudyReader>
  progress(study: StudyUid): Transfer | undefined
  /** Calls back when the progress has changed, not too often; returns what ends it. */
  onProgress(study: StudyUid, listener: (transfer: Transfer) => void): () => void
  /** A grant has ended: whoever reads the study, or anything of the holder, is refused at once. */
  closeStudy(id: StudyUid | OrganizationOid): void
}

type Entry = {
  session: Session
  user: SessionUser
  readers: number
  usedAt: number
}

export async function createRemoteStudies(deps: RemoteStudiesDeps): Promise<RemoteStudies> {
  const { clock, log } = deps
  const limits: RemoteLimits = { ...streamLimits, ...exchangeLimits, ...deps.limits }
  const copies = await openCopies({
    dir: path.join(deps.dir, 'copies'),
    bytesMax: limits.copiesBytes,
    chunkBytes: limits.chunkBytes,
    verifiedMax: limits.verifiedCopiesMax,
    log,
  })
  const transfers = path.join(deps.dir, 'transfers')
  const arrivals = await openArrivals({ dir: transfers, copies, limits, clock })
  const shared = createShared(deps, limits, { copies, arrivals })
  const progress = createProgress(limits.progressIntervalMs, (study) => {
    const remote = shared.find(study)
    return remote?.progress(entries.isCut(remote))
  })
  const start = (request: ReadRequest): Session =>
    createSession({
      remote: shared.study(request.study, request.holder),
      peer: shared.peer(request.holder),
      arrivals,
      assert: () => assertOf(deps, request),
      ...(deps.onReceived && { onReceived: deps.onReceived }),
      clock,
      limits,
      onChange: () => progress.changed(request.study),
    })
  const entries = createEntries({ start, forget: (remote) => shared.forget(remote), clock, limits })
  const sweep = setInterval(() => entries.sweep(), limits.sweepIntervalMs)
  sweep.unref()

  return {
    async open(request) {
      const { session, release } = await entries.take(request)
      const { chunkBytes, wholeBytes, bulkIdleTimeoutMs: stallMs } = limits
      const sizes = { chunkBytes, wholeBytes, stallMs }
      return createRemoteReader({ session, copies, arrivals, ...sizes, onClose: release })
    },
    progress: progress.of,
    onProgress: (study, listener) => progress.on(study, listener),
    closeStudy(id) {
      for (const { remote, fail } of entries.sessions()) {
        if (remote.study !== id && remote.holder !== id) continue
        fail(new ProtocolError('forbidden', 'the grant has ended'))
      }
    },
    async [Symbol.asyncDispose]() {
      clearInterval(sweep)
      progress.stop()
      await entries.end()
      await arrivals[Symbol.asyncDispose]()
    },
  }
}

type EntriesDeps = {
  start: (request: ReadRequest) => Session
  /** The last reading of a study has ended. */
  forget: (remote: RemoteStudy) => Promise<void>
  clock: () => number
  limits: RemoteLimits
}

/** Who is reading what: one session per user, workstation and study, as long as it is used. */
function createEntries({ start, forget, clock, limits }: EntriesDeps) {
  const entries = new Map<string, Entry>()
  const end = async (key: string, entry: Entry): Promise<void> => {
    if (entries.get(key) === entry) entries.delete(key)
    await entry.session[Symbol.asyncDispose]()
    const { remote } = entry.session
    if ([...entries.values()].some((one) => one.session.remote === remote)) return
    await forget(remote)
  }
  const entryOf = (key: string, request: ReadRequest): Entry => {
    const known = entries.get(key)
    if (known?.session.ended.aborted === false) return known
    if (entries.size >= limits.sessionsMax) {
      throw new ProtocolError('rate_limited', 'too many studies are open')
    }
    const made = { session: start(request), user: request.user, readers: 0, usedAt: clock() }
    entries.set(key, made)
    return made
  }
  return {
    sessions: (): Session[] => [...entries.values()].map((one) => one.session),
    isCut: (remote: RemoteStudy): boolean =>
      [...entries.values()].some(
        ({ session }) => session.remote === remote && session.state() === 'cut',
      ),
    /** A session whose holder has admitted its user lately, until it is released. */
    async take(request: ReadRequest): Promise<{ session: Session; release: () => void }> {
      const key = keyOf(request)
      const entry = entryOf(key, request)
      entry.readers += 1
      const release = once(() => {
        entry.readers -= 1
        entry.usedAt = clock()
      })
      try {
        await entry.session.fresh(answerAge(request.use, limits))
      } catch (error) {
        release()
        const isUseless = entry.session.ended.aborted || entry.session.askedAt() < 0
        if (isUseless && entry.readers === 0) await end(key, entry)
        throw error
      }
      return { session: entry.session, release }
    },
    sweep(): void {
      for (const [key, entry] of entries) {
        if (isOver(entry, clock(), limits)) void end(key, entry)
        else void entry.session.fresh(askedWithin(entry, clock(), limits)).catch(() => undefined)
      }
    },
    async end(): Promise<void> {
      await Promise.all([...entries].map(([key, entry]) => end(key, entry)))
    },
  }
}

/** One user at one workstation: no other admission is ever used for her. */
const keyOf = ({ user, study, holder }: ReadRequest): string =>
  [user.uid, user.session, holder, study].join('\n')

function isOver({ session, user, readers, usedAt }: Entry, now: number, limits: RemoteLimits) {
  if (session.ended.aborted || now >= user.expiresAt) return true
  return readers === 0 && now - usedAt > limits.sessionLingerMs
}

/** Which answer of the holder is new enough to go on without another. */
function answerAge(use: StudyUse | undefined, limits: RemoteLimits): number {
  if (use === undefined) return limits.unansweredMs
  return use === 'opening' ? limits.openingAskMs : limits.askIntervalMs
}

/** Who reads on asks for no answer of her own (she would wait for it); it is asked for here. */
function askedWithin({ readers, usedAt }: Entry, now: number, limits: RemoteLimits): number {
  const isInUse = readers > 0 || now - usedAt < limits.askIntervalMs
  return isInUse ? limits.askIntervalMs : limits.unansweredMs
}

/** The holder would only say no: what forbids here forbids there. */
const transient: ReadonlySet<ErrorCode> = new Set(['timeout', 'unavailable', 'holder_unreachable'])

async function assertOf(deps: RemoteStudiesDeps, request: ReadRequest): Promise<string> {
  try {
    return await deps.assert(request)
  } catch (error) {
    if (transient.has(codeOf(error))) throw error
    throw new ProtocolError('forbidden', 'no grant allows it any more', { cause: error })
  }
}

function once(action: () => void): () => void {
  let isOver = false
  return () => {
    if (!isOver) action()
    isOver = true
  }
}

/** What readers have in common: holders' nodes, and studies with what is known of them. */
function createShared(
  deps: RemoteStudiesDeps,
  limits: RemoteLimits,
  { copies, arrivals }: { copies: Copies; arrivals: Arrivals },
) {
  const peers = new Map<OrganizationOid, Peer>()
  const studies = new Map<string, RemoteStudy>()
  const keyOf = (study: StudyUid, holder: OrganizationOid): string => `${holder}\n${study}`
  const now = (): number => performance.now()
  const { creditBytesMax: bytesMax } = limits
  return {
    peer(holder: OrganizationOid): Peer {
      const known = peers.get(holder)
      if (known !== undefined) return known
      const made: Peer = {
        connect: (signal) => deps.connect(holder, signal),
        backgroundSlots: createSlots(limits.backgroundStreamsMax),
        background: createCreditController({
          targetMs: limits.backgroundDelayMs,
          bytesMin: limits.creditBytesMin,
          bytesMax,
          now,
        }),
        interactive: createCreditController({
          targetMs: limits.interactiveDelayMs,
          bytesMin: limits.interactiveCreditBytesMin,
          bytesMax,
          now,
        }),
      }
      peers.set(holder, made)
      return made
    },
    study(study: StudyUid, holder: OrganizationOid): RemoteStudy {
      const key = keyOf(study, holder)
      const known = studies.get(key)
      if (known !== undefined) return known
      const client = createManifestClient({ study, holder, holderKey: deps.holderKey })
      const made = createRemoteStudy({ study, holder, client, copies, arrivals })
      studies.set(key, made)
      return made
    },
    find: (study: StudyUid): RemoteStudy | undefined =>
      [...studies.values()].find((one) => one.study === study && one.instances().length > 0),
    async forget(remote: RemoteStudy): Promise<void> {
      const key = keyOf(remote.study, remote.holder)
      if (studies.get(key) === remote) studies.delete(key)
      await Promise.all(remote.instances().map((one) => arrivals.release(one.chunksRoot)))
    },
  }
}
