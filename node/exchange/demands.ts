import type { SeriesUid, Sha256 } from '#protocol/ids.ts'
import type { ManifestInstance } from '#protocol/manifest.ts'
import type { ByteRange } from '../archive/archive.ts'
import type { Arrival } from './arrival.ts'
import type { Arrivals } from './arrivals.ts'
import { createInstanceJob, createMetadataJob } from './jobs.ts'
import type { Job } from './jobs.ts'
import type { Lane } from './lane.ts'
import type { RemoteStudy } from './remote-study.ts'
import type { SeriesMetadata } from './series-metadata.ts'

/** Asks for an instance's chunk digests in the reader's name. */
export type Digests = (instance: ManifestInstance) => Promise<Sha256[]>

const metadataRank = 1
const rankMax = 1_000_000

/** Ranks count up, so that jobs are served one after another; that an early one comes late after a million is no harm. */
function createRanks() {
  let last = metadataRank
  return (): number => {
    last = last >= rankMax ? metadataRank + 1 : last + 1
    return last
  }
}

export type PullerDeps = {
  remote: RemoteStudy
  arrivals: Arrivals
  digests: Digests
  /** Takes a job off the background stream. */
  drop: (job: Job) => void
  onChange: () => void
}

/** Background work: one instance after another, in the manifest's order, that nobody else brings. */
export function createPuller({ remote, arrivals, digests, drop, onChange }: PullerDeps) {
  const rank = createRanks()
  return (): Job | undefined => {
    const instance = remote.nextMissing()
    if (instance === undefined) return undefined
    const arrival = arrivals.of(instance)
    const claim = {
      release(): void {
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
        if (arrival.isDone()) void arrivals.release(instance.sha256)
        else remote.rewind()
        onChange()
      },
    })
    arrival.claim = claim
    return job
  }
}

export type DemandsDeps = {
  lane: Lane
  remote: RemoteStudy
  arrivals: Arrivals
  digests: Digests
  /** A reader has left before it had everything: background work may go on with it. */
  onReleased: () => void
}

/** What readers wait for now. The same stretch is brought once, however many wait. */
export function createDemands({ lane, remote, arrivals, digests, onReleased }: DemandsDeps) {
  type Demand = { job: Job; readers: number }
  const demands = new Map<string, Demand>()
  const rank = createRanks()

  const start = (key: string, arrival: Arrival, range: ByteRange, readers: number): Demand => {
    const job = createInstanceJob({
      arrival,
      range,
      rank: rank(),
      digests: () => digests(arrival.instance),
      ended(error) {
        const one = demands.get(key)
        if (one?.job !== job) return
        demands.delete(key)
        const isWorthTrying = error !== undefined && error.code !== 'aborted'
        if (isWorthTrying && arrival.failure() === undefined)
          start(key, arrival, range, one.readers)
      },
    })
    const demand = { job, readers }
    demands.set(key, demand)
    lane.add(job)
    return demand
  }
  return (arrival: Arrival, range: ByteRange): Disposable => {
    const key = `${arrival.instance.sha256} ${range.offset} ${range.length}`
    arrival.demands += 1
    arrival.claim?.release()
    const known = demands.get(key)
    if (known === undefined) start(key, arrival, range, 1)
    else known.readers += 1
    return {
      [Symbol.dispose](): void {
        arrival.demands -= 1
        const one = demands.get(key)
        if (one !== undefined) one.readers -= 1
        if (one?.readers === 0) {
          demands.delete(key)
          lane.remove(one.job)
        }
        if (arrival.isDone()) return void arrivals.release(arrival.instance.sha256)
        remote.rewind()
        onReleased()
      },
    }
  }
}

export type MetadataDeps = {
  lane: Lane
  remote: RemoteStudy
  limits: { metadataBytes: number; metadataInflatedBytes: number }
}

/** Fetches the metadata of a series once, however many ask. */
export function createMetadataFetcher({ lane, remote, limits }: MetadataDeps) {
  const pending = new Map<SeriesUid, Promise<SeriesMetadata>>()
  return (series: SeriesUid): Promise<SeriesMetadata> => {
    const known = remote.knownMetadata(series)
    if (known !== undefined) return Promise.resolve(known)
    const underWay = pending.get(series)
    if (underWay !== undefined) return underWay
    const { job, result } = createMetadataJob({
      series,
      // Before any pixels: nothing can be laid out without it.
      rank: metadataRank,
      bytesMax: limits.metadataBytes,
      inflatedBytesMax: limits.metadataInflatedBytes,
    })
    const one = result
      .then((metadata) => {
        remote.learnMetadata(series, metadata)
        return metadata
      })
      .finally(() => pending.delete(series))
    pending.set(series, one)
    lane.add(job)
    return one
  }
}
