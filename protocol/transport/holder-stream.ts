import type { Stream } from '@libp2p/interface'
import { pipe } from 'it-pipe'
import { codeOf, ProtocolError } from '../errors.ts'
import type { PeerIdString } from '../ids.ts'
import { decodeOpen, decodeReaderFrame, encodeFetch } from './fetch-frames.ts'
import { decodeBulk } from './framing.ts'
import type { BulkFrame } from './framing.ts'
import { createIdleTimer } from './idle-timer.ts'
import { createOutbox } from './outbox.ts'
import type { Outbox } from './outbox.ts'
import { readFrom, writeTo } from './streams.ts'
import type { HolderRequest, HolderStream, TransportLimits } from './transport.ts'
import { endOf, pause } from './waits.ts'

export type HolderStreamDeps = {
  stream: Stream
  peer: PeerIdString
  limits: TransportLimits
  onFetch: (stream: HolderStream) => Promise<void>
}

/**
 * Holder's end of `/cami/fetch/1`, from its `open` frame to its end: hands the stream to `onFetch`, tells the reader
 * the code of whatever that throws, and leaves no stream behind.
 */
export async function serveFetchStream(deps: HolderStreamDeps): Promise<void> {
  const { stream, limits } = deps
  const ended = new AbortController()
  const outbox = createOutbox(limits.bulkFrameBytes)
  const written = pipe(outbox, writeTo(stream)).catch(() => undefined)
  const idle = createIdleTimer(limits.bulkIdleTimeoutMs, () =>
    stream.abort(new ProtocolError('timeout', 'an idle bulk stream')),
  )
  const stop = (code: 'stream_closed' | 'aborted'): void => {
    const reason = new ProtocolError(code, 'the reader has gone')
    idle.stop()
    ended.abort(reason)
    outbox.fail(reason)
  }
  stream.addEventListener('close', () => stop('stream_closed'))
  const frames = pipe(
    readFrom(stream, { resetOnStop: false }),
    decodeBulk(limits.fetchRequestBytes),
  )
  const intake = createIntake({ frames, limits, touch: idle.touch })
  try {
    const open = await intake.open()
    const listening = intake.listen().then(
      // The reader closed its end: it wants no more, and what is under way for it ends.
      () => ended.abort(new ProtocolError('aborted', 'the reader closed the stream')),
      (error: unknown) => ended.abort(error),
    )
    await deps.onFetch({
      peer: deps.peer,
      open,
      signal: ended.signal,
      requests: () => intake.requests(),
      ...createAnswers({ outbox, intake, signal: ended.signal, limits, touch: idle.touch }),
    })
    if (ended.signal.aborted && codeOf(ended.signal.reason) !== 'aborted') throw ended.signal.reason
    outbox.end()
    await written
    await Promise.race([listening, pause(limits.closeTimeoutMs)])
  } catch (error) {
    const refusal = ended.signal.aborted ? codeOf(ended.signal.reason) : codeOf(error)
    outbox.post(encodeFetch.error({ code: refusal }))
    outbox.end()
    await Promise.race([written, pause(limits.closeTimeoutMs)])
    await endOf(stream, limits.closeTimeoutMs)
  } finally {
    stop('stream_closed')
    stream.abort(new ProtocolError('stream_closed', 'served'))
  }
}

/** Bytes that may still be sent; the reader grants them, never more than two windows. */
function createCredit(limits: TransportLimits) {
  let bytes = 0
  return {
    grant(more: number): void {
      bytes += more
      if (bytes > 2 * limits.creditBytesMax) {
        throw new ProtocolError('frame_malformed', 'more credit than a window')
      }
    },
    take(most: number): number {
      const taken = Math.min(bytes, most)
      bytes -= taken
      return taken
    },
  }
}

/** What the reader says: its `open`, then credit (kept here) and requests (queued, bounded). */
function createIntake(deps: {
  frames: AsyncGenerator<BulkFrame>
  limits: TransportLimits
  touch: () => void
}) {
  const { frames, limits } = deps
  const queue: HolderRequest[] = []
  const credit = createCredit(limits)
  let over = false
  const waiting = new Set<() => void>()
  const wake = (): void => {
    for (const resolve of waiting) resolve()
    waiting.clear()
  }
  const take = (frame: BulkFrame): void => {
    const said = decodeReaderFrame(frame)
    if (said.type !== 'credit') {
      queue.push(said)
      if (queue.length > limits.wantsMax) {
        throw new ProtocolError('rate_limited', 'too many wants at once')
      }
      return
    }
    credit.grant(said.bytes)
  }
  const changed = (): Promise<void> =>
    new Promise((resolve) => {
      waiting.add(resolve)
    })
  return {
    async open() {
      const late = pause(limits.helloTimeoutMs).then(() => {
        throw new ProtocolError('timeout', 'no open frame came')
      })
      const first = await Promise.race([frames.next(), late])
      if (first.done === true) throw new ProtocolError('stream_closed', 'no open frame came')
      return decodeOpen(first.value)
    },
    async listen(): Promise<void> {
      try {
        for await (const frame of frames) {
          deps.touch()
          take(frame)
          wake()
        }
      } finally {
        over = true
        wake()
      }
    },
    async *requests(): AsyncGenerator<HolderRequest> {
      while (true) {
        const next = queue.shift()
        if (next !== undefined) yield next
        else if (over) return
        else await changed()
      }
    },
    /** Waits until some credit is there and takes at most `most` of it. */
    async spend(most: number, signal: AbortSignal): Promise<number> {
      while (true) {
        signal.throwIfAborted()
        const taken = credit.take(most)
        if (taken > 0) return taken
        if (over) throw new ProtocolError('stream_closed', 'the reader has gone')
        await changed()
      }
    },
  }
}

function createAnswers(deps: {
  outbox: Outbox
  intake: Pick<ReturnType<typeof createIntake>, 'spend'>
  signal: AbortSignal
  limits: TransportLimits
  touch: () => void
}): Pick<HolderStream, 'data' | 'done' | 'error'> {
  const put = async (frame: Parameters<Outbox['put']>[0]): Promise<void> => {
    deps.signal.throwIfAborted()
    await deps.outbox.put(frame)
    deps.touch()
  }
  return {
    async data(want, offset, bytes) {
      for (let sent = 0; sent < bytes.byteLength;) {
        const most = Math.min(deps.limits.sliceBytes, bytes.byteLength - sent)
        const length = await deps.intake.spend(most, deps.signal)
        await put(encodeFetch.data(want, offset + sent, bytes.subarray(sent, sent + length)))
        sent += length
      }
    },
    done: (want) => put(encodeFetch.done(want)),
    error: (error) => put(encodeFetch.error(error)),
  }
}
