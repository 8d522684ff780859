import { StreamResetError } from '@libp2p/interface'
import type { Stream, StreamCloseEvent, StreamMessageEvent } from '@libp2p/interface'
import type { Uint8ArrayList } from 'uint8arraylist'

/**
 * The two adapters between libp2p's message streams and it-pipe, and the only place that touches a raw stream.
 * Read otherwise, a stream has no receive backpressure, and a closed connection looks like a clean end.
 */
export type Bytes = Uint8Array | Uint8ArrayList
export type ReadOptions = {
  highWaterBytes?: number
  signal?: AbortSignal
  /** False where the caller still has a code to send after it stopped reading, and ends the stream itself. */
  resetOnStop?: boolean
}

/**
 * Source with backpressure: pauses the stream while the consumer is behind. Throws on reset, abort, and on a
 * transport that closed without the remote's FIN. A consumer that stops early resets the stream.
 */
export async function* readFrom(stream: Stream, options: ReadOptions = {}): AsyncGenerator<Bytes> {
  const { signal, highWaterBytes = 512 * 1024, resetOnStop = true } = options
  signal?.throwIfAborted()
  // A reset that came before the listeners were attached would otherwise look like a clean end.
  if (stream.status === 'reset' || stream.status === 'aborted') throw new StreamResetError()
  const inbox = attachInbox(stream, highWaterBytes)
  const onAbort = (): void => {
    const reason = signal?.reason instanceof Error ? signal.reason : new Error('aborted')
    stream.abort(reason)
    inbox.fail(reason)
  }
  signal?.addEventListener('abort', onAbort, { once: true })
  let finished = false
  try {
    while (true) {
      // What arrived before an error is delivered first, so that a transfer can be resumed after it.
      const bytes = signal?.aborted === true ? undefined : inbox.shift()
      if (bytes !== undefined) {
        yield bytes
        continue
      }
      const state = inbox.state()
      if (state.error !== undefined) throw state.error
      if (state.ended) {
        finished = true
        return
      }
      await inbox.changed()
    }
  } finally {
    signal?.removeEventListener('abort', onAbort)
    inbox.detach()
    // Otherwise the sender floods our buffers or waits for ever.
    if (resetOnStop && !finished && inbox.state().error === undefined) {
      stream.abort(new Error('the reader stopped before the end'))
    }
  }
}

/** Pauses the stream while more than `highWaterBytes` wait, resumes it at half of that. */
function createThrottle(stream: Stream, highWaterBytes: number) {
  let paused = false
  let resuming = false
  const pauseIfFull = (queued: number): void => {
    // resume() dispatches first and only then un-pauses the muxer: a pause() nested in it would be lost, and the
    // read buffer would overflow.
    if (resuming || paused || queued <= highWaterBytes || stream.readStatus !== 'readable') return
    paused = true
    stream.pause()
  }
  return {
    pauseIfFull,
    resumeIfRoom(queued: () => number): void {
      if (!paused || queued() > highWaterBytes / 2) return
      paused = false
      if (stream.readStatus !== 'paused') return
      resuming = true
      try {
        stream.resume()
      } finally {
        resuming = false
      }
      pauseIfFull(queued())
    },
  }
}

function attachInbox(stream: Stream, highWaterBytes: number) {
  const queue: Bytes[] = []
  const throttle = createThrottle(stream, highWaterBytes)
  let queued = 0
  let fin = stream.remoteWriteStatus === 'closed'
  let ended = false
  let error: Error | undefined
  let wake: (() => void) | undefined
  const kick = (): void => {
    wake?.()
    wake = undefined
  }
  const onMessage = (event: StreamMessageEvent): void => {
    queue.push(event.data)
    queued += event.data.byteLength
    throttle.pauseIfFull(queued)
    kick()
  }
  const onFin = (): void => {
    fin = true
  }
  const onEnd = (): void => {
    ended = true
    kick()
  }
  const onClose = (event: StreamCloseEvent): void => {
    ended ||= stream.readBufferLength === 0
    if (event.error !== undefined) error ??= event.error
    else if (!fin) error ??= new StreamResetError('connection closed before the end of the stream')
    kick()
  }
  stream.addEventListener('message', onMessage)
  stream.addEventListener('remoteCloseWrite', onFin)
  stream.addEventListener('end', onEnd)
  stream.addEventListener('close', onClose)
  return {
    shift(): Bytes | undefined {
      const bytes = queue.shift()
      queued -= bytes?.byteLength ?? 0
      throttle.resumeIfRoom(() => queued)
      return bytes
    },
    state: () => ({ error, ended: ended || stream.readableEnded }),
    fail(reason: Error): void {
      error = reason
      kick()
    },
    changed: () =>
      new Promise<void>((resolve) => {
        wake = resolve
      }),
    detach(): void {
      stream.removeEventListener('message', onMessage)
      stream.removeEventListener('remoteCloseWrite', onFin)
      stream.removeEventListener('end', onEnd)
      stream.removeEventListener('close', onClose)
    },
  }
}

/** Resolves when the stream takes more. The library's `onDrain()` resolves at once after its first use. */
export async function drained(stream: Stream): Promise<void> {
  if (!stream.writableNeedsDrain) return
  await new Promise<void>((resolve, reject) => {
    const detach = (): void => {
      stream.removeEventListener('drain', onDrain)
      stream.removeEventListener('close', onClose)
    }
    const onDrain = (): void => {
      detach()
      resolve()
    }
    const onClose = (event: StreamCloseEvent): void => {
      detach()
      reject(event.error ?? new StreamResetError('stream closed while writing'))
    }
    stream.addEventListener('drain', onDrain)
    stream.addEventListener('close', onClose)
  })
}

/** Sink: waits for drain, half-closes the write side at the end, resets the stream when the source throws. */
export function writeTo(stream: Stream, { signal }: { signal?: AbortSignal } = {}) {
  return async (source: AsyncIterable<Bytes> | Iterable<Bytes>): Promise<void> => {
    const onAbort = (): void => stream.abort(signal?.reason as Error)
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      signal?.throwIfAborted()
      for await (const bytes of source) if (!stream.send(bytes)) await drained(stream)
      await stream.close(signal === undefined ? {} : { signal })
    } catch (error) {
      stream.abort(error as Error)
      throw error
    } finally {
      signal?.removeEventListener('abort', onAbort)
    }
  }
}
