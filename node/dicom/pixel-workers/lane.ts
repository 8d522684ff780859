import { Worker } from 'node:worker_threads'
import { ProtocolError } from '#protocol/errors.ts'
import { pixelLimits } from '#protocol/limits.ts'
import type { PixelJob, PixelResult, WorkerAnswer } from './jobs.ts'

/** One thread that decodes one frame at a time. After a failure, a deadline or an idle time it ends for good. */
export type Lane = {
  readonly isOpen: boolean
  readonly isBusy: boolean
  run(job: PixelJob, signal: AbortSignal | undefined): Promise<PixelResult>
  end(code: EndCode, why: string): void
}

type EndCode = 'instance_malformed' | 'timeout' | 'aborted'
type Task = { resolve: (result: PixelResult) => void; reject: (error: Error) => void }

export function createLane(options: { deadlineMs: number; memoryBytes: number }): Lane {
  const { memoryBytes, deadlineMs } = options
  const worker = new Worker(new URL('./pixel.worker.ts', import.meta.url), {
    workerData: { memoryBytes },
    resourceLimits: { maxOldGenerationSizeMb: pixelLimits.heapBytes / 1024 / 1024 },
    // Codecs print what they think of a damaged frame.
    stdout: true,
    stderr: true,
  })
  let isOpen = true
  let task: Task | undefined
  let timer: NodeJS.Timeout | undefined

  function end(code: EndCode, why: string): void {
    const unfinished = task
    isOpen = false
    task = undefined
    clearTimeout(timer)
    void worker.terminate()
    unfinished?.reject(new ProtocolError(code, why))
  }

  worker.unref()
  worker.on('error', () => end('instance_malformed', 'the decoder stopped'))
  worker.on('exit', () => end('instance_malformed', 'the decoder ended'))
  worker.on('message', (answer: WorkerAnswer) => {
    // After a failure a codec's memory is in an unknown state.
    if ('failure' in answer) return end('instance_malformed', answer.failure)
    const done = task
    task = undefined
    clearTimeout(timer)
    worker.unref()
    timer = setTimeout(() => end('aborted', 'nothing to do'), pixelLimits.idleMs).unref()
    done?.resolve(answer.result)
  })

  return {
    get isOpen() {
      return isOpen
    },
    get isBusy() {
      return task !== undefined
    },
    end,
    run: async (job, signal) => {
      const { promise, resolve, reject } = Promise.withResolvers<PixelResult>()
      task = { resolve, reject }
      clearTimeout(timer)
      timer = setTimeout(() => end('timeout', 'decoding took too long'), deadlineMs)
      const abort = () => end('aborted', 'nobody waits any more')
      signal?.addEventListener('abort', abort)
      worker.ref()
      worker.postMessage(job, [job.frame.bytes.buffer])
      try {
        return await promise
      } finally {
        signal?.removeEventListener('abort', abort)
      }
    },
  }
}
