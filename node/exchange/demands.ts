import type { SeriesUid, Sha256 } from '#protocol/ids.ts'
import type { ManifestInstance } from '#protocol/manifest.ts'
import type { ByteRange } from '../archive/archive.ts'
import type { Arrival, Claim } from './arrival.ts'
import type { Arrivals } from './arrivals.ts'
import { createInstanceJob, createMetadataJob } from './jobs.ts'
import type { Job } from './jobs.ts'
import type { Lane } from './lane.ts'
import type { KnownSeries, RemoteStudy } from './remote-study.ts'

/** Asks for an instance's chunk digests in the reader's name. */
export type Digests = (instance: ManifestInstance) => Promise<Sha256[]>

const metadataRank = 1

const hurriedRanks = { first: 10, last: 999 }
const jobRanks = { first: 1000, last: 1_000_000 }

/** Ranks count up, so that jobs are served one after another; that an early one comes late after a round is no harm. */
function createRanks({ first, last }: { first: number; last: number }) {
  let next = first
  return (): number => {
    const rank = next
    next = rank >= last ? first : rank + 1
    return rank
  }
}

export type PullerDeps = {
  remote: RemoteStudy
  arrivals: Arrivals
  digests: Digests
  /** Takes a job off the background stream. */
  drop: (job: Job) => void
  /** Brings a job of the background stream before its others; false when it is not under way there. */
  hurry: (job: Job, rank: number) => boolean
  onChange: () => void
}

/** Background work: one instance after another, in the manifest's order, that nobody else brings. */
export function createPuller({ remote, arrivals, digests, drop, hurry, onChange }: PullerDeps) {
  const rank = createRanks(jobRanks)
  const hurriedRank = createRanks(hurriedRanks)
  return (): Job | undefined => {
    const instance = remote.nextMissing()
    if (instance === undefined) return undefined
    const arrival = arrivals.of(instance)
    const claim: Claim = {
      // Each session has asker and digests of its own.
      owner: digests,
      hurry: () => hurry(job, hurriedRank()),
      release() {
        arrival.claim = undefined
        drop(job)
      },
    }
    const job = createInstanceJob({
      arrival,
      range: { offset: 0, length: instance.bytes },
      rank: rank(),
      digests: () => digests(instance),
      ended() {
        if (arrival.claim === claim) arrival.claim = undefined
        if (!arrival.isDone()) remote.rewind()
        void arrivals.left(arrival)
        arrival.announce()
        onChange()
      },
    })
    arrival.claim = claim
    return job
  }
}

export type DemandsDeps = {
  /** How long a reader leans on a background stream that brings nothing. */
  leanMs: number
  lane: Lane
  remote: RemoteStudy
  arrivals: Arrivals
  digests: Digests
  /** A reader has left before it had everything: background work may go on with it. */
  onReleased: () => void
}

/** A reader's wish for a stretch of an instance, until it is let go. */
export type Demand = Disposable & {
  /** Sees to it that somebody brings it; called again whenever the arrival has changed. */
  ensure(): void
}

/** What readers wait for now. The same stretch is brought once, however many wait. */
export function createDemands(deps: DemandsDeps) {
  const { lane, remote, arrivals, digests, onReleased, leanMs } = deps
  const jobs = new Map<string, { job: Job; readers: number }>()
  const rank = createRanks(jobRanks)

  const start = (key: string, arrival: Arrival, range: ByteRange) => {
    const job = createInstanceJob({
      arrival,
      range,
      rank: rank(),
      digests: () => digests(arrival.instance),
      ended() {
        if (jobs.get(key)?.job === job) jobs.delete(key)
        arrival.announce()
      },
    })
    const one = { job, readers: 0 }
    jobs.set(key, one)
    lane.add(job)
    return one
  }
  const leave = (key: string, one: { job: Job; readers: number }): void => {
    one.readers -= 1
    if (one.readers > 0 || jobs.get(key) !== one) return
    jobs.delete(key)
    lane.remove(one.job)
  }
  return (arrival: Arrival, range: ByteRange): Demand => {
    const key = `${arrival.instance.chunksRoot} ${range.offset} ${range.length}`
    const isWhole = range.length === arrival.instance.bytes
    const lean = createLean(arrival, leanMs)
    let carrier: Claim | undefined
    let own: { job: Job; readers: number } | undefined
    arrival.demands += 1
    return {
      ensure(): void {
        if (carrier !== undefined && arrival.claim === carrier && lean.holds()) return
        if (own !== undefined && jobs.get(key) === own) return
        if (arrival.isDone() || arrival.failure() !== undefined) return
        // What is under way in this reader's own name is hurried; nothing is asked for twice.
        const { claim } = arrival
        const mayLean = isWhole && lean.holds() && claim?.owner === digests
        carrier = mayLean && claim.hurry() ? claim : undefined
        if (carrier !== undefined) return
        claim?.release()
        own = jobs.get(key) ?? start(key, arrival, range)
        own.readers += 1
      },
      [Symbol.dispose](): void {
        arrival.demands -= 1
        if (own !== undefined) leave(key, own)
        void arrivals.left(arrival)
        if (arrival.isDone()) return
        remote.rewind()
        onReleased()
      },
    }
  }
}

/** Whether an arrival moves well enough to be left to whoever brings it. */
function createLean(arrival: Arrival, ms: number) {
  let bytes = arrival.bytes()
  let movedAt = performance.now()
  return {
    holds(): boolean {
      const now = arrival.bytes()
      if (now !== bytes) movedAt = performance.now()
      bytes = now
      return performance.now() - movedAt < ms
    },
  }
}

export type MetadataDeps = {
  lane: Lane
  remote: RemoteStudy
  limits: { metadataBytes: number; metadataInflatedBytes: number }
}

/** A reader's wish for the metadata of a series, until it is let go. */
export type MetadataDemand = Disposable & { readonly known: Promise<KnownSeries> }

/** Fetches the metadata of a series once, however many ask, and as long as somebody does. */
export function createMetadataFetcher({ lane, remote, limits }: MetadataDeps) {
  type UnderWay = { job: Job; known: Promise<KnownSeries>; readers: number }
  const pending = new Map<SeriesUid, UnderWay>()
  const start = (series: SeriesUid): UnderWay => {
    const { job, result } = createMetadataJob({
      series,
      // Before any pixels: nothing can be laid out without it.
      rank: metadataRank,
      bytesMax: limits.metadataBytes,
      inflatedBytesMax: limits.metadataInflatedBytes,
    })
    const known = result
      .then((metadata) => remote.learnMetadata(series, metadata))
      .finally(() => forget(series, one))
    const one: UnderWay = { job, known, readers: 0 }
    pending.set(series, one)
    lane.add(job)
    return one
  }
  const forget = (series: SeriesUid, one: UnderWay): boolean =>
    pending.get(series) === one && pending.delete(series)
  return (series: SeriesUid): MetadataDemand => {
    const known = remote.knownMetadata(series)
    if (known !== undefined) return { known: Promise.resolve(known), [Symbol.dispose]() {} }
    const one = pending.get(series) ?? start(series)
    one.readers += 1
    return {
      known: one.known,
      [Symbol.dispose]() {
        one.readers -= 1
        if (one.readers === 0 && forget(series, one)) lane.remove(one.job)
      },
    }
  }
}
