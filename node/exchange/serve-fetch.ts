import { codeOf, ProtocolError } from '#protocol/errors.ts'
import type { ErrorCode } from '#protocol/errors.ts'
import type { SopUid } from '#protocol/ids.ts'
import type { HolderStream } from '#protocol/transport/transport.ts'
import type { StudyReader } from '../archive/archive.ts'
import { compressMetadata } from './series-metadata.ts'
import { createWantQueue } from './want-queue.ts'
import type { Served, WantQueue } from './want-queue.ts'

export type ServeLimits = {
  wantsMax: number
  activeWantsMax: number
  sliceBytes: number
  chunkBytes: number
  metadataBytes: number
}

/** What has gone out, for the audit. */
export type Tally = { sops: Set<SopUid>; bytes: number }

export type Serving = {
  stream: HolderStream
  reader: StudyReader
  /** Throws when the authority behind the stream has ended. */
  recheck: () => Promise<void>
  tally: Tally
  limits: ServeLimits
  /** Ends the work with its reason; the stream's own end does so too. */
  signal: AbortSignal
}

/**
 * Serves one reader's wants over one bulk stream, until the reader closes it. One slice at a time, so that whatever the
 * reader wants more by then goes first; nothing waits here but the slice that waits for credit.
 */
export async function serveFetch(serving: Serving): Promise<void> {
  const { stream, signal, tally } = serving
  const inbox = listen(serving)
  const { queue } = inbox
  while (true) {
    signal.throwIfAborted()
    const one = queue.next()
    if (one === undefined) {
      if (inbox.isOver()) return await inbox.ended
      await inbox.changed()
      continue
    }
    const { want: number } = one.want
    // Authority is asked for anew before each instance.
    if (!one.started) await serving.recheck()
    one.started = true
    const slice = await nextSlice(serving, queue, one)
    if (!queue.has(one)) continue
    if (slice instanceof Uint8Array) {
      await stream.data(number, one.position, slice)
      one.position += slice.byteLength
      tally.bytes += slice.byteLength
      if ('sop' in one.want) tally.sops.add(one.want.sop)
      const rest = one.ahead?.subarray(slice.byteLength)
      if (rest === undefined || rest.byteLength === 0) delete one.ahead
      else one.ahead = rest
      continue
    }
    queue.remove(number)
    if (slice === 'end') await stream.done(number)
    else await stream.error({ want: number, code: slice.code })
  }
}

/** Hears the reader: its wants, changes and cancels go into the queue as they come. */
function listen({ stream, limits, signal }: Serving) {
  const queue = createWantQueue(limits)
  const waiting = new Set<() => void>()
  let over = false
  const wake = (): void => {
    for (const resolve of waiting) resolve()
    waiting.clear()
  }
  const hear = async (): Promise<void> => {
    try {
      for await (const request of stream.requests()) {
        if (request.type === 'want') queue.put(request.want)
        else queue.remove(request.want)
        wake()
      }
    } finally {
      over = true
      wake()
    }
  }
  const ended = hear()
  ended.catch(() => undefined)
  signal.addEventListener('abort', wake, { once: true })
  return {
    queue,
    ended,
    isOver: () => over,
    changed: () =>
      new Promise<void>((resolve) => {
        waiting.add(resolve)
      }),
  }
}

/** The next bytes of a want, its end, or why there are none; a fault in one instance is no fault of the stream. */
async function nextSlice(
  serving: Serving,
  queue: WantQueue,
  one: Served,
): Promise<Uint8Array | 'end' | { code: ErrorCode }> {
  const { limits } = serving
  try {
    if (one.ahead === undefined) {
      queue.makeRoom()
      const block = await load(serving, one)
      if (block === undefined) return 'end'
      one.ahead = block
    }
    return one.ahead.subarray(0, limits.sliceBytes)
  } catch (error) {
    serving.signal.throwIfAborted()
    return { code: codeOf(error) }
  }
}

/** Verified bytes from the want's position to the end of the chunk they lie in, or the whole metadata of a series. */
async function load(
  { reader, limits, signal }: Serving,
  { want, position }: Served,
): Promise<Uint8Array | undefined> {
  if (!('sop' in want)) {
    const packed = await compressMetadata(reader, want.metadata, limits.metadataBytes)
    return position < packed.byteLength ? packed.subarray(position) : undefined
  }
  const instance = await reader.instance(want.sop)
  if (instance === undefined) throw new ProtocolError('not_found', 'no such instance')
  if (want.offset > instance.bytes) throw new ProtocolError('bad_request', 'beyond the instance')
  const end = Math.min(instance.bytes, want.offset + (want.length ?? instance.bytes))
  if (position >= end) return undefined
  const chunkEnd = (Math.floor(position / limits.chunkBytes) + 1) * limits.chunkBytes
  const length = Math.min(end, chunkEnd) - position
  const block = new Uint8Array(length)
  let filled = 0
  for await (const bytes of reader.read(want.sop, { offset: position, length }, signal)) {
    block.set(bytes, filled)
    filled += bytes.byteLength
  }
  if (filled !== length) throw new ProtocolError('storage_corrupt', 'fewer bytes than recorded')
  return block
}
