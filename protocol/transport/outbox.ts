import { ProtocolError } from '../errors.ts'
import type { Bytes } from './streams.ts'

/**
 * Frames on their way out: a bounded queue that an it-pipe drains into the stream. Who cannot wait uses `post` and
 * handles a refusal; who can uses `put`, which resolves once the stream has taken the frame (backpressure).
 */
export type Outbox = AsyncIterable<Bytes> & {
  /** False when the queue is full or ended. */
  post(frame: Bytes): boolean
  put(frame: Bytes): Promise<void>
  end(): void
  /** Drops what waits; pending and later `put`s throw. */
  fail(error: Error): void
}

export function createOutbox(maxBytes: number): Outbox {
  const queue: { frame: Bytes; taken?: PromiseWithResolvers<void> }[] = []
  let queued = 0
  let ended = false
  let failure: Error | undefined
  let wake: (() => void) | undefined
  const kick = (): void => {
    wake?.()
    wake = undefined
  }
  const closed = (): Error => failure ?? new ProtocolError('stream_closed', 'the stream has ended')
  const fail = (error: Error): void => {
    if (failure !== undefined) return
    ended = true
    failure = error
    for (const { taken } of queue.splice(0)) taken?.reject(error)
    queued = 0
    kick()
  }
  return {
    post(frame) {
      if (ended || queued + frame.byteLength > maxBytes) return false
      queue.push({ frame })
      queued += frame.byteLength
      kick()
      return true
    },
    async put(frame) {
      if (ended) throw closed()
      const taken = Promise.withResolvers<void>()
      queue.push({ frame, taken })
      queued += frame.byteLength
      kick()
      await taken.promise
    },
    end() {
      ended = true
      kick()
    },
    fail,
    async *[Symbol.asyncIterator]() {
      let current: PromiseWithResolvers<void> | undefined
      try {
        while (true) {
          const next = queue.shift()
          if (next !== undefined) {
            queued -= next.frame.byteLength
            current = next.taken
            yield next.frame
            // The consumer came back for more: the stream has taken this frame.
            current?.resolve()
            current = undefined
            continue
          }
          if (failure !== undefined) throw failure
          if (ended) return
          await new Promise<void>((resolve) => {
            wake = resolve
          })
        }
      } finally {
        // The stream failed under the frame: nobody will come back for the rest.
        fail(closed())
        current?.reject(closed())
      }
    },
  }
}
