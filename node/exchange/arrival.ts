import { ProtocolError } from '#protocol/errors.ts'
import type { Sha256 } from '#protocol/ids.ts'
import type { ManifestInstance } from '#protocol/manifest.ts'
import type { ByteRange } from '../archive/archive.ts'
import { isWithin } from './age.ts'
import { createArrivalStore } from './arrival-store.ts'
import { createChunkMap } from './chunk-map.ts'
import type { Copies } from './copies.ts'
import { createIncoming } from './incoming.ts'

export type ArrivalLimits = {
  chunkBytes: number
  wholeBytes: number
  openChunksMax: number
  strikesMax: number
  banMs: number
}

export type ArrivalDeps = {
  instance: ManifestInstance
  /** Where its chunks wait until all are here. */
  file: string
  copies: Copies
  limits: ArrivalLimits
  clock: () => number
}

/**
 * One instance on its way here, whoever asked for it. A chunk counts once it is whole; it may be read once its digest is
 * proven; all of them become a copy once the instance's digest is proven. What was cut off goes on where it stopped: at
 * the next byte while this process lives, at the next chunk after a restart.
 */
export type Arrival = {
  readonly instance: ManifestInstance
  /** Whose background stream brings it. */
  claim: Claim | undefined
  /** Interactive readers that wait for it. */
  demands: number
  isDone: () => boolean
  isProven: (index: number) => boolean
  /** Why it does not come; after a while it may be tried again. */
  failure: () => ProtocolError | undefined
  /** Counts an answer that brought nothing. */
  strike: (what: string) => void
  /** Something that its readers should look at has changed. */
  announce: () => void
  /** The next change of any kind. */
  changed: () => Promise<void>
  /** `first`: nothing may be asked for before they are known; `later`: ask beside the bytes. */
  needsDigests(): Promise<'no' | 'later' | 'first'>
  learn(chunks: readonly Sha256[]): Promise<void>
  /** Takes bytes in; resolves when what became whole is kept. */
  accept(offset: number, bytes: Uint8Array): Promise<void>
  /** The first stretch of a range that is not here. */
  missing(range: ByteRange): ByteRange | undefined
  /** What has come so far is on the disk, and was judged. */
  settled: () => Promise<void>
  /** A proven chunk; nothing once the whole is done. */
  read: (index: number) => Promise<Uint8Array | undefined>
  /** Bytes that are here. */
  bytes: () => number
  /** Lets the file go; what it holds is found again by the next arrival of the instance. */
  close: () => Promise<void>
}

/** The right to bring an instance in the background. */
export type Claim = {
  /** The user in whose name it is brought: her readers may lean on it, others take it over. */
  readonly owner: object
  /** Brings it before all else; false when it has not been begun. */
  hurry(): boolean
  /** Gives it up to somebody who waits for it. */
  release(): void
}

export function createArrival({ instance, file, copies, limits, clock }: ArrivalDeps): Arrival {
  const { chunkBytes } = limits
  const map = createChunkMap(instance.bytes, chunkBytes)
  const incoming = createIncoming(instance.bytes, limits)
  const news = createNews()
  const health = createHealth(limits, clock, news.announce)
  const store = createArrivalStore({
    instance,
    file,
    copies,
    chunkBytes,
    map,
    onMismatch: health.strike,
    onChange: news.announce,
  })
  /** What the disk or the manifest itself makes impossible ends the arrival for everybody. */
  const orFail = async (step: Promise<void>): Promise<void> => {
    try {
      await step
    } catch (error) {
      health.fail(error)
      throw error
    }
  }
  return {
    instance,
    claim: undefined,
    demands: 0,
    isDone: store.isDone,
    isProven: (index) => map.get(index) === 'proven',
    failure: health.failure,
    strike: health.strike,
    announce: news.announce,
    changed: news.changed,
    async needsDigests() {
      if (store.hasDigests() || map.count === 1) return 'no'
      if (await store.isUnknown()) return 'first'
      return instance.bytes > limits.wholeBytes ? 'later' : 'no'
    },
    learn: (chunks) => orFail(store.learn(chunks)),
    async accept(offset, bytes) {
      if (store.isDone()) return
      const isMissing = (index: number): boolean => map.get(index) === 'missing'
      for (const chunk of incoming.take(offset, bytes, isMissing)) {
        await orFail(store.keep(chunk.index, chunk.bytes))
      }
    },
    missing(range) {
      const run = store.isDone() ? undefined : map.missing(range.offset, range.length)
      if (run === undefined) return undefined
      const offset = run.index * chunkBytes + incoming.filled(run.index)
      return { offset, length: run.end - offset }
    },
    settled: () => orFail(store.settled()),
    read: store.read,
    bytes: () => (store.isDone() ? instance.bytes : map.bytes() + incoming.bytes()),
    close: () => store.close(),
  }
}

function createHealth(limits: ArrivalLimits, clock: () => number, announce: () => void) {
  let strikes = 0
  let failure: ProtocolError | undefined
  let failedAt = 0
  const fail = (error: unknown): void => {
    failure =
      error instanceof ProtocolError
        ? error
        : new ProtocolError('storage_failed', 'cannot keep what arrives', { cause: error })
    failedAt = clock()
    announce()
  }
  return {
    fail,
    strike: (what: string): void => {
      strikes += 1
      if (strikes >= limits.strikesMax) fail(new ProtocolError('chunk_mismatch', what))
    },
    failure: (): ProtocolError | undefined => {
      if (failure !== undefined && !isWithin(clock() - failedAt, limits.banMs)) {
        failure = undefined
        strikes = 0
      }
      return failure
    },
  }
}

/** Wakes everybody who waits for the next change. */
function createNews() {
  let next = Promise.withResolvers<void>()
  return {
    announce: (): void => {
      const last = next
      next = Promise.withResolvers<void>()
      last.resolve()
    },
    changed: (): Promise<void> => next.promise,
  }
}
