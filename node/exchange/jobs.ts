import { ProtocolError } from '#protocol/errors.ts'
import type { ErrorCode } from '#protocol/errors.ts'
import type { SeriesUid, Sha256, SopUid } from '#protocol/ids.ts'
import type { ByteRange } from '../archive/archive.ts'
import type { Arrival } from './arrival.ts'
import { parseMetadata } from './series-metadata.ts'
import type { SeriesMetadata } from './series-metadata.ts'

/** What a want asks for, without its number and rank. */
export type Part = { sop: SopUid; offset: number; length: number } | { metadata: SeriesUid }

/** One thing to bring over: an instance, a stretch of one, or the metadata of a series. */
export type Job = {
  /** May change while it is under way. Smaller is served first; jobs of a lane have different ones, so that one thing at a time is half done. */
  rank: number
  /** It brings what is said about images, not images. */
  readonly isAside?: true
  /** What to ask for next; nothing when all is here. Throws what only another stream can mend. */
  next(): Promise<Part | undefined>
  data(offset: number, bytes: Uint8Array): Promise<void>
  /** The holder has sent what the last `next` asked for. */
  sent(): void
  /** Nothing is left to do; or this cannot be brought, and why. */
  ended(error?: ProtocolError): void
}

/** Faults of one thing; any other ends the stream, and the job goes on with the next one. */
const ownFaults: ReadonlySet<ErrorCode> = new Set([
  'not_found',
  'bad_request',
  'too_large',
  'manifest_mismatch',
  'chunk_mismatch',
  'digest_mismatch',
  'storage_failed',
  'storage_full',
  'storage_corrupt',
  'frame_malformed',
])
export const isOwnFault = (error: unknown): error is ProtocolError =>
  error instanceof ProtocolError && ownFaults.has(error.code)

export type InstanceJob = {
  arrival: Arrival
  range: ByteRange
  rank: number
  digests: () => Promise<Sha256[]>
  ended: (error?: ProtocolError) => void
}

/** Brings what is missing of an instance, or of a stretch of it. */
export function createInstanceJob({ arrival, range, rank, digests, ended }: InstanceJob): Job {
  const isWhole = range.length === arrival.instance.bytes
  let asked = 0
  let received = 0
  let learning: Promise<void> | undefined
  const learn = (): Promise<void> => {
    learning ??= digests()
      .then((chunks) => arrival.learn(chunks))
      .finally(() => {
        learning = undefined
      })
    return learning
  }
  return {
    rank,
    async next() {
      const failure = arrival.failure()
      if (failure !== undefined) throw failure
      const needs = await arrival.needsDigests()
      // Beside the bytes: they are kept, and proven when the digests come.
      if (needs === 'later') learn().catch(() => undefined)
      let part = needs === 'first' ? undefined : arrival.missing(range)
      if (part === undefined) {
        // All is here; whether it is right shows when its digests are known, or when the disk has it.
        await (needs === 'no' ? arrival.settled() : learn())
        part = arrival.missing(range)
      }
      asked = part?.length ?? 0
      received = 0
      return part && { sop: arrival.instance.sop, ...part }
    },
    data(offset, bytes) {
      received += bytes.byteLength
      return arrival.accept(offset, bytes)
    },
    sent() {
      // That all of it was here already, by another stream, is no fault.
      if (received < asked) arrival.strike('the holder sent less than was asked')
    },
    ended(error) {
      // Nobody waits for ever, or asks round and round, for what seems to be here and is not.
      const isOdd = error === undefined && isWhole && !arrival.isDone()
      if (isOdd) arrival.strike('all is here, but it does not become a copy')
      // That its stream was given up says nothing about an instance.
      if (error !== undefined && error.code !== 'aborted') arrival.strike(error.message)
      ended(error)
    },
  }
}

export type MetadataJob = {
  series: SeriesUid
  rank: number
  bytesMax: number
  inflatedBytesMax: number
}

/** Brings the metadata of a series, whole or not at all. */
export function createMetadataJob({ series, rank, bytesMax, inflatedBytesMax }: MetadataJob) {
  const result = Promise.withResolvers<SeriesMetadata>()
  let parts: Uint8Array[] = []
  let received = 0
  let isSent = false
  const job: Job = {
    rank,
    isAside: true,
    async next() {
      if (isSent) return undefined
      parts = []
      received = 0
      return { metadata: series }
    },
    async data(offset, bytes) {
      if (offset !== received) throw new ProtocolError('frame_malformed', 'metadata out of order')
      received += bytes.byteLength
      if (received > bytesMax) throw new ProtocolError('too_large', 'too much metadata')
      parts.push(bytes)
    },
    sent() {
      isSent = true
    },
    ended(error) {
      if (error === undefined) result.resolve(parseMetadata(Buffer.concat(parts), inflatedBytesMax))
      else result.reject(error)
    },
  }
  return { job, result: result.promise }
}
