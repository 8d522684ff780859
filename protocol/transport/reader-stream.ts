import type { Stream } from '@libp2p/interface'
import { pipe } from 'it-pipe'
import { ProtocolError } from '../errors.ts'
import type { FetchOpen } from '../fetch.ts'
import { decodeHolderFrame, encodeFetch } from './fetch-frames.ts'
import { decodeBulk } from './framing.ts'
import { createIdleTimer } from './idle-timer.ts'
import { createOutbox } from './outbox.ts'
import { readFrom, writeTo } from './streams.ts'
import type { Bytes } from './streams.ts'
import type { ReaderFrame, ReaderStream, TransportLimits } from './transport.ts'

export type ReaderStreamDeps = {
  stream: Stream
  open: FetchOpen
  limits: TransportLimits
  signal?: AbortSignal
}

/** Reader's end of `/cami/fetch/1`. The end of the stream proves nothing: only `done` and a digest do. */
export function createReaderStream({
  stream,
  open,
  limits,
  signal,
}: ReaderStreamDeps): ReaderStream {
  const outbox = createOutbox(limits.wantsMax * 512)
  const check = createHolderCheck()
  const abort = (code: 'stream_closed' | 'aborted' | 'timeout', why: string): void =>
    stream.abort(new ProtocolError(code, why))
  const idle = createIdleTimer(limits.bulkIdleTimeoutMs, () => abort('timeout', 'nothing came'))
  const onAbort = (): void => abort('aborted', 'the reader gave up')
  signal?.addEventListener('abort', onAbort, { once: true })
  const onClose = (): void => {
    idle.stop()
    outbox.fail(new ProtocolError('stream_closed', 'the stream has ended'))
    signal?.removeEventListener('abort', onAbort)
  }
  stream.addEventListener('close', onClose)
  // It may have ended between its opening and now.
  if (stream.status !== 'open') onClose()
  let closing = false
  let reading = false
  pipe(outbox, writeTo(stream)).catch(() => undefined)
  const post = (frame: Bytes): void => {
    // A stream that has ended says so to who reads its frames.
    if (!outbox.post(frame) && stream.status === 'open' && !closing) {
      abort('stream_closed', 'the holder does not read')
    }
  }
  post(encodeFetch.open(open))
  const close = async (): Promise<void> => {
    if (closing) return
    closing = true
    outbox.end()
    if (!reading) return abort('aborted', 'closed before it was read')
    setTimeout(() => abort('aborted', 'the holder did not end'), limits.closeTimeoutMs).unref()
  }
  return {
    want(want) {
      check.wanted(want.want)
      idle.touch()
      post(encodeFetch.want(want))
    },
    cancel: (want) => post(encodeFetch.cancel(want)),
    credit(bytes) {
      check.granted(bytes)
      post(encodeFetch.credit(bytes))
    },
    async *frames() {
      reading = true
      try {
        const source = pipe(readFrom(stream), decodeBulk(limits.bulkFrameBytes))
        for await (const frame of source) {
          idle.touch()
          if (closing) continue
          yield check.frame(decodeHolderFrame(frame))
        }
      } catch (error) {
        if (closing) return
        throw asProtocolError(error)
      } finally {
        reading = false
      }
      if (!closing) throw new ProtocolError('stream_closed', 'the holder ended the stream')
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** A holder may send what was asked and paid for, and nothing else; its refusal of the stream is thrown. */
function createHolderCheck() {
  let lastWant = 0
  let granted = 0
  let received = 0
  return {
    wanted(want: number): void {
      lastWant = Math.max(lastWant, want)
    },
    granted(bytes: number): void {
      granted += bytes
    },
    frame(frame: ReaderFrame): ReaderFrame {
      const want = frame.type === 'error' ? frame.error.want : frame.want
      if (frame.type === 'error' && want === undefined) {
        throw new ProtocolError(frame.error.code, 'the holder refused')
      }
      if (want === undefined || want < 1 || want > lastWant) {
        throw new ProtocolError('frame_malformed', 'a frame for a want that was not sent')
      }
      if (frame.type === 'data') received += frame.bytes.byteLength
      if (received > granted) throw new ProtocolError('frame_malformed', 'more than the credit')
      return frame
    },
  }
}

function asProtocolError(error: unknown): ProtocolError {
  if (error instanceof ProtocolError) return error
  return new ProtocolError('stream_closed', 'the stream was cut', { cause: error })
}
