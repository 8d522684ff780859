import { hash } from 'node:crypto'
import { Worker } from 'node:worker_threads'
import { ProtocolError } from '#protocol/errors.ts'
import { storageLimits } from '#protocol/limits.ts'
import { cutChunks } from './chunk-hasher.ts'

/**
 * SHA-256 of what is read, in a thread of its own: what was read before is sent meanwhile. The thread is started when
 * it is first wanted.
 */
export type Digests = AsyncDisposable & {
  /**
   * Of each chunk, one behind the other. The memory of `bytes`, which begin it, is taken over and comes back in what
   * is returned; `bytes` may be empty afterwards.
   */
  of(bytes: Buffer): Promise<Digested>
}

export type Digested = { bytes: Buffer; digests: Uint8Array }
/** `chunks`: how many whole ones there are. */
export type DigestJob = { id: number; memory: ArrayBuffer; length: number; chunks: number }
export type DigestAnswer = { id: number; memory: ArrayBuffer; digests: Uint8Array }

type Waiting = PromiseWithResolvers<Digested> & { length: number }

export function createDigests(): Digests {
  const waiting = new Map<number, Waiting>()
  let worker: Worker | undefined
  let isBroken = false
  let last = 0

  /** What was given to a thread that ended is lost, and is read again. */
  function fail(): void {
    isBroken = true
    worker = undefined
    for (const { reject } of waiting.values()) {
      reject(new ProtocolError('aborted', 'the thread that hashes ended'))
    }
    waiting.clear()
  }

  function started(): Worker {
    const thread = new Worker(new URL('./digest.worker.ts', import.meta.url))
    thread.on('error', fail)
    thread.on('exit', fail)
    thread.on('message', ({ id, memory, digests }: DigestAnswer) => {
      const found = waiting.get(id)
      waiting.delete(id)
      if (waiting.size === 0) thread.unref()
      found?.resolve({ bytes: Buffer.from(memory, 0, found.length), digests })
    })
    return thread
  }

  return {
    async of(bytes) {
      const { buffer, byteLength: length } = bytes
      const isHere = isBroken || length < storageLimits.digestApartBytes
      if (isHere || !(buffer instanceof ArrayBuffer)) return { bytes, digests: digestsHere(bytes) }
      worker ??= started()
      const job = { id: ++last, length, chunks: Math.floor(length / storageLimits.chunkBytes) }
      const answer = { ...Promise.withResolvers<Digested>(), length }
      waiting.set(job.id, answer)
      worker.ref()
      worker.postMessage({ ...job, memory: buffer } satisfies DigestJob, [buffer])
      return answer.promise
    },
    async [Symbol.asyncDispose]() {
      const thread = worker
      fail()
      await thread?.terminate()
    },
  }
}

const digestsHere = (bytes: Uint8Array): Uint8Array =>
  Buffer.concat(cutChunks(bytes).map((chunk) => hash('sha256', chunk, 'buffer')))
