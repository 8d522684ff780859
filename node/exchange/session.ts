import { codeOf, ProtocolError } from '#protocol/errors.ts'
import type { ErrorCode } from '#protocol/errors.ts'
import type { SeriesUid } from '#protocol/ids.ts'
import type { Connection, ReaderStream } from '#protocol/transport/transport.ts'
import type { ByteRange } from '../archive/archive.ts'
import { isWithin } from './age.ts'
import type { Arrival } from './arrival.ts'
import type { Arrivals } from './arrivals.ts'
import type { CreditController } from './credit-controller.ts'
import { createDemands, createMetadataFetcher, createPuller } from './demands.ts'
import type { Demand, Digests, MetadataDemand } from './demands.ts'
import type { Job } from './jobs.ts'
import { createLane, isRefusal } from './lane.ts'
import type { Lane, LaneLimits, LaneState } from './lane.ts'
import type { Asker } from './manifest-client.ts'
import type { RemoteStudy } from './remote-study.ts'
import type { Slots } from './slots.ts'

/** A holder's node, shared by all who read from it: one controller of background bytes, one of interactive ones. */
export type Peer = {
  connect(signal?: AbortSignal): Promise<Connection>
  background: CreditController
  backgroundSlots: Slots
  interactive: CreditController
}

export type SessionLimits = LaneLimits & {
  unansweredMs: number
  backgroundWantsMax: number
  leanMs: number
  metadataBytes: number
  metadataInflatedBytes: number
}

export type SessionDeps = {
  remote: RemoteStudy
  peer: Peer
  arrivals: Arrivals
  /** A new assertion in this reader's name. */
  assert: () => Promise<string>
  /** A stream that was opened with this assertion has ended, and so much has come over it. */
  onReceived?: (assertion: string, bytes: number) => void
  clock: () => number
  limits: SessionLimits
  onChange: () => void
}

/**
 * One user's reading of one study. The authority is hers alone: every request and stream carries her own assertion, and a
 * refusal ends her readers and nobody else's. Bytes that are here are shared, because each reader is admitted first.
 */
export type Session = AsyncDisposable & {
  readonly remote: RemoteStudy
  /**
   * Resolves when the holder has admitted this reader within this time, or within `unansweredMs` when it cannot be asked;
   * when nothing is said, that is enough.
   */
  fresh(withinMs?: number): Promise<void>
  /** Ends every reader with this. */
  fail: (error: ProtocolError) => void
  readonly ended: AbortSignal
  /** Brings a stretch of an instance before anything else, until it is let go. */
  demand(arrival: Arrival, range: ByteRange): Demand
  /** Brings the metadata of a series before any image, until it is let go. */
  metadata(series: SeriesUid): MetadataDemand
  /** `performance.now()` when bytes last came. */
  lastMoved(): number
  state(): LaneState
  askedAt(): number
}

export function createSession(deps: SessionDeps): Session {
  const { remote, peer, limits, onChange } = deps
  const ended = new AbortController()
  const asker: Asker = { connect: () => peer.connect(ended.signal), assert: deps.assert }
  let lastMoved = performance.now()

  const fail = (error: ProtocolError): void => {
    if (ended.signal.aborted) return
    ended.abort(error)
    void dispose()
    onChange()
  }
  const onMoved = (bytes: number): void => {
    lastMoved = performance.now()
    remote.count(bytes)
    onChange()
  }
  const digests: Digests = (instance) => remote.client.digests(asker, instance)
  const drop = (job: Job): void => background.remove(job)
  const hurry = (job: Job, rank: number): boolean => background.hurry(job, rank)
  const pull = createPuller({ ...deps, digests, drop, hurry })
  const interactive = openLane(deps, 'interactive', { onRefused: fail, onMoved })
  const background = openLane(deps, 'background', { onRefused: fail, onMoved, pull })
  const dispose = async (): Promise<void> => {
    await Promise.all([interactive[Symbol.asyncDispose](), background[Symbol.asyncDispose]()])
  }
  const asking = createAsking(deps, ended.signal, async () => {
    try {
      remote.update(await remote.client.current(asker))
      background.poke()
    } catch (error) {
      if (isRefusal(error)) fail(error)
      throw asUnreachable(error)
    } finally {
      onChange()
    }
  })
  const onReleased = (): void => background.poke()
  return {
    remote,
    fail,
    ended: ended.signal,
    ...asking,
    lastMoved: () => lastMoved,
    state: () => worst(interactive.state(), background.state()),
    demand: createDemands({ ...deps, ...limits, lane: interactive, digests, onReleased }),
    metadata: createMetadataFetcher({ lane: interactive, remote, limits }),
    async [Symbol.asyncDispose]() {
      fail(new ProtocolError('aborted', 'the reading has ended'))
      await dispose()
    },
  }
}

/** When the holder was asked last, one question at a time. */
function createAsking(
  { clock, limits }: SessionDeps,
  ended: AbortSignal,
  ask: () => Promise<void>,
): Pick<Session, 'fresh' | 'askedAt'> {
  let askedAt = -Infinity
  /** An answer is as old as its question. */
  let question: { began: number; answer: Promise<void> } | undefined
  const askOnce = () => {
    const began = clock()
    const answer = ask()
      .then(() => void (askedAt = began))
      .finally(() => (question = undefined))
    return { began, answer }
  }
  return {
    askedAt: () => askedAt,
    async fresh(withinMs = limits.unansweredMs) {
      ended.throwIfAborted()
      const now = clock()
      if (isWithin(now - askedAt, withinMs)) return
      try {
        // One from too long before says nothing of now: another follows it.
        if (question !== undefined && !isWithin(now - question.began, withinMs)) {
          await question.answer
        }
        question ??= askOnce()
        await question.answer
      } catch (error) {
        if (!isWithin(now - askedAt, limits.unansweredMs)) throw error
      }
      ended.throwIfAborted()
    },
  }
}

type LaneHooks = {
  onRefused: (error: ProtocolError) => void
  onMoved: (bytes: number) => void
  pull?: () => Job | undefined
}

function openLane(
  { remote, peer, assert, limits, onChange, onReceived }: SessionDeps,
  priority: 'interactive' | 'background',
  hooks: LaneHooks,
): Lane {
  const { study } = remote
  return createLane({
    ...hooks,
    async openStream(signal) {
      const release = priority === 'background' ? await peer.backgroundSlots.take(signal) : nothing
      try {
        const connection = await peer.connect(signal)
        const assertion = await assert()
        const open = { assertion, study, priority }
        const stream = await connection.openFetch(open, { signal })
        return counting(stream, (bytes) => {
          release()
          onReceived?.(assertion, bytes)
        })
      } catch (error) {
        release()
        throw error
      }
    },
    credit: peer[priority],
    urgentCredit: peer.interactive,
    onState: onChange,
    limits: {
      ...limits,
      wantsMax: priority === 'background' ? limits.backgroundWantsMax : limits.wantsMax,
    },
  })
}

const nothing = (): void => undefined

/** Whoever uses a stream closes it, however it ended: then its place is free again, and what came over it is known. */
function counting(stream: ReaderStream, onClose: (bytes: number) => void): ReaderStream {
  let bytes = 0
  let isClosed = false
  const close = async (): Promise<void> => {
    if (!isClosed) onClose(bytes)
    isClosed = true
    await stream.close()
  }
  return {
    ...stream,
    async *frames() {
      for await (const frame of stream.frames()) {
        if (frame.type === 'data') bytes += frame.bytes.byteLength
        yield frame
      }
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

const broken: ReadonlySet<ErrorCode> = new Set(['stream_closed', 'timeout', 'unavailable'])

/** However the link broke, to a reader it means one thing. */
function asUnreachable(error: unknown): unknown {
  if (!broken.has(codeOf(error))) return error
  return new ProtocolError('holder_unreachable', 'the holder does not answer', { cause: error })
}

function worst(a: LaneState, b: LaneState): LaneState {
  if (a === 'cut' || b === 'cut') return 'cut'
  return a === 'running' ? a : b
}
