import { codeOf, ProtocolError } from '#protocol/errors.ts'
import type { SeriesUid, Sha256, SopUid } from '#protocol/ids.ts'
import type { ManifestInstance } from '#protocol/manifest.ts'
import type { ByteRange, InstanceEntry, StudyReader } from '../archive/archive.ts'
import type { Arrival } from './arrival.ts'
import type { Arrivals } from './arrivals.ts'
import type { Copies } from './copies.ts'
import type { Demand } from './demands.ts'
import type { KnownSeries, RemoteStudy } from './remote-study.ts'
import type { InstanceMetadata } from './series-metadata.ts'
import type { Session } from './session.ts'

export type ReaderDeps = {
  session: Session
  copies: Copies
  arrivals: Arrivals
  chunkBytes: number
  wholeBytes: number
  /** How long a reader waits while nothing at all comes. */
  stallMs: number
  onClose(): void
}

/** A study of another organization as if it were here: what is not yet, is waited for, and jumps the queue. */
export function createRemoteReader(deps: ReaderDeps): StudyReader {
  const { session, copies } = deps
  const { remote } = session
  const left = new AbortController()

  const metadataOf = async (series: SeriesUid): Promise<KnownSeries> => {
    left.signal.throwIfAborted()
    using demand = session.metadata(series)
    return await untilEnded(session, whileMoving(deps, demand.known, left.signal))
  }
  const entriesOf = async (series: SeriesUid): Promise<InstanceEntry[]> => {
    const { bySop } = await metadataOf(series)
    return remote.inSeries(series).map((one) => entryOf(deps, one, bySop.get(one.sop)))
  }
  return {
    study: remote.study,
    holder: remote.holder,
    async series() {
      await session.fresh()
      return await Promise.all(
        remote.seriesUids().map(async (series) => ({
          study: remote.study,
          series,
          instances: remote.inSeries(series).length,
          attributes: (await metadataOf(series)).attributes,
        })),
      )
    },
    async instances(series) {
      await session.fresh()
      const wanted = series === undefined ? remote.seriesUids() : [series]
      return (await Promise.all(wanted.map(entriesOf))).flat()
    },
    async instance(sop) {
      await session.fresh()
      const instance = remote.instance(sop)
      if (instance === undefined) return undefined
      const { bySop } = await metadataOf(instance.series)
      return entryOf(deps, instance, bySop.get(sop))
    },
    async *read(sop, range, signal) {
      await session.fresh()
      const instance = listed(remote, sop)
      yield* readInstance(deps, instance, clamp(instance.bytes, range), signal)
    },
    async metadata(filter) {
      await session.fresh()
      const known = await Promise.all(seriesOf(remote, filter).map(metadataOf))
      const { sop } = filter
      const wanted = known.flatMap(({ bySop }) =>
        sop === undefined ? [...bySop.values()] : [bySop.get(sop)],
      )
      return wanted.flatMap((one) =>
        one === undefined || remote.instance(one.sop) === undefined ? [] : [one.metadata],
      )
    },
    async chunks(sop) {
      await session.fresh()
      const instance = listed(remote, sop)
      for await (const bytes of readInstance(deps, instance, clamp(instance.bytes))) void bytes
      return await copies.chunks(instance.chunksRoot)
    },
    async [Symbol.asyncDispose]() {
      left.abort(new ProtocolError('aborted', 'the reader has left'))
      deps.onClose()
    },
  }
}

/** The series that a filter can touch. */
function seriesOf(
  remote: RemoteStudy,
  { series, sop }: { series?: SeriesUid; sop?: SopUid },
): SeriesUid[] {
  if (sop === undefined) return series === undefined ? remote.seriesUids() : [series]
  const own = remote.instance(sop)?.series
  return own === undefined || (series !== undefined && series !== own) ? [] : [own]
}

function listed(remote: RemoteStudy, sop: SopUid): ManifestInstance {
  const instance = remote.instance(sop)
  if (instance === undefined) throw new ProtocolError('not_found', 'no such instance')
  return instance
}

function clamp(bytes: number, range?: ByteRange): ByteRange {
  if (range === undefined) return { offset: 0, length: bytes }
  const offset = Math.min(bytes, range.offset)
  return { offset, length: Math.min(bytes - offset, range.length) }
}

function entryOf(
  { session }: ReaderDeps,
  instance: ManifestInstance,
  known: InstanceMetadata | undefined,
): InstanceEntry {
  const { sop, series, transferSyntax, bytes, chunksRoot: sha256 } = instance
  return {
    study: session.remote.study,
    series,
    sop,
    sopClass: instance.class,
    transferSyntax,
    bytes,
    sha256,
    headerBytes: Math.min(bytes, known?.headerBytes ?? bytes),
    receivedAt: known?.receivedAt ?? 0,
    attributes: known?.attributes ?? {},
    ...(known?.damaged && { damaged: known.damaged }),
  }
}

/** From the copy when there is one; else as it arrives: small ones whole, large ones chunk by chunk. */
async function* readInstance(
  deps: ReaderDeps,
  instance: ManifestInstance,
  range: ByteRange,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const { session, copies, arrivals, chunkBytes } = deps
  const end = range.offset + range.length
  let position = range.offset
  if (!(await isHere(copies, instance.chunksRoot))) {
    const arrival = arrivals.of(instance)
    const isSmall = instance.bytes <= deps.wholeBytes
    using demand = session.demand(arrival, isSmall ? { offset: 0, length: instance.bytes } : range)
    while (position < end) {
      const index = Math.floor(position / chunkBytes)
      const isLast = (index + 1) * chunkBytes >= instance.bytes
      // The end of a whole read is held back until the instance's own digest is proven.
      const isWhole = range.offset === 0 && end === instance.bytes
      const mayRead = (): boolean => arrival.isProven(index) && !(isLast && isWhole)
      await waitFor(deps, arrival, { demand, holds: mayRead, signal })
      const chunk = arrival.isDone() ? undefined : await arrival.read(index)
      if (chunk === undefined) break
      const start = index * chunkBytes
      yield chunk.subarray(position - start, Math.min(chunk.byteLength, end - start))
      position = start + chunkBytes
      await session.fresh()
    }
  }
  if (position >= end) return
  const rest = { offset: position, length: end - position }
  for await (const chunk of copies.read(instance.chunksRoot, rest)) {
    // A copy that is all here is read for as long as its holder lets her.
    await session.fresh()
    yield chunk
  }
}

/** A copy that is damaged is removed by whoever finds out, and fetched again. */
async function isHere(copies: Copies, sha256: Sha256): Promise<boolean> {
  if (!copies.has(sha256)) return false
  try {
    await copies.chunks(sha256)
    return true
  } catch (error) {
    if (codeOf(error) === 'storage_corrupt') return false
    throw error
  }
}

/** Waits for a chunk or the whole; a refusal, a fault of the instance and a silent holder end it. */
async function waitFor(
  deps: ReaderDeps,
  arrival: Arrival,
  {
    demand,
    holds,
    signal,
  }: { demand: Demand; holds: () => boolean; signal: AbortSignal | undefined },
): Promise<void> {
  const { session } = deps
  const since = performance.now()
  while (!holds() && !arrival.isDone()) {
    signal?.throwIfAborted()
    session.ended.throwIfAborted()
    const failure = arrival.failure()
    if (failure !== undefined) throw failure
    demand.ensure()
    checkMoving(deps, since)
    await nextNews(
      arrival,
      [session.ended, ...(signal === undefined ? [] : [signal])],
      pollMs(deps),
    )
  }
}

/** How often a waiting reader looks around even when nothing happens. */
const pollMs = ({ stallMs }: ReaderDeps): number => Math.min(1000, stallMs / 10)

function checkMoving({ session, stallMs }: ReaderDeps, since: number): void {
  if (performance.now() - Math.max(since, session.lastMoved()) <= stallMs) return
  throw new ProtocolError('holder_unreachable', 'nothing comes from the holder')
}

/** Waits for it as long as anything comes from the holder and its reader is there. */
async function whileMoving<T>(deps: ReaderDeps, work: Promise<T>, left: AbortSignal): Promise<T> {
  const since = performance.now()
  const end = Promise.withResolvers<never>()
  const watch = setInterval(() => {
    try {
      checkMoving(deps, since)
    } catch (error) {
      end.reject(error)
    }
  }, pollMs(deps))
  const leave = (): void => end.reject(left.reason)
  left.addEventListener('abort', leave)
  try {
    return await Promise.race([work, end.promise])
  } finally {
    clearInterval(watch)
    left.removeEventListener('abort', leave)
  }
}

async function nextNews(
  arrival: Arrival,
  signals: readonly AbortSignal[],
  ms: number,
): Promise<void> {
  const woken = Promise.withResolvers<void>()
  const wake = (): void => woken.resolve()
  const timer = setTimeout(wake, ms)
  for (const signal of signals) signal.addEventListener('abort', wake)
  await Promise.race([arrival.changed(), woken.promise])
  clearTimeout(timer)
  for (const signal of signals) signal.removeEventListener('abort', wake)
}

/** The end of the session is the reason that counts, whatever broke because of it. */
async function untilEnded<T>(session: Session, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    session.ended.throwIfAborted()
    throw error
  }
}
