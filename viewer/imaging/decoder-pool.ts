import type { DecodedFrame, DecodeJob } from './decode.ts'

/**
 * Decoding beside the main thread. Frames of a stack are spread over a few workers; a worker that dies fails its own
 * jobs and is replaced when the next one comes.
 */
export type WorkerJob = { id: number; job: DecodeJob }
export type WorkerAnswer = { id: number; frame: DecodedFrame } | { id: number; failure: string }

/** The frame is at fault: fetching it again would not help. */
export class DecodeError extends Error {
  override readonly name = 'DecodeError'
}

export type DecoderPool = {
  decode: (job: DecodeJob) => Promise<DecodedFrame>
  [Symbol.dispose]: () => void
}

/** What the pool uses of `Worker`, so that a test can stand in for it. */
export type WorkerLike = {
  postMessage(message: WorkerJob, move: Transferable[]): void
  addEventListener(type: 'message', listener: (event: { data: WorkerAnswer }) => void): void
  addEventListener(type: 'error', listener: () => void): void
  terminate(): void
}

type Lane = { worker: WorkerLike; jobs: Map<number, Settle> }
type Settle = { resolve: (frame: DecodedFrame) => void; reject: (error: Error) => void }

export function createDecoderPool(spawn: () => WorkerLike, size: number): DecoderPool {
  const lanes: (Lane | undefined)[] = Array.from({ length: size })
  let lastId = 0

  function open(at: number): Lane {
    const lane: Lane = { worker: spawn(), jobs: new Map() }
    lane.worker.addEventListener('message', ({ data }) => {
      const settle = lane.jobs.get(data.id)
      lane.jobs.delete(data.id)
      if ('frame' in data) settle?.resolve(data.frame)
      else settle?.reject(new DecodeError(data.failure))
    })
    lane.worker.addEventListener('error', () => {
      if (lanes[at] === lane) lanes[at] = undefined
      close(lane, 'the decoder stopped')
    })
    lanes[at] = lane
    return lane
  }

  return {
    decode(job) {
      const at = leastBusy(lanes)
      const lane = lanes[at] ?? open(at)
      return new Promise((resolve, reject) => {
        const id = ++lastId
        lane.jobs.set(id, { resolve, reject })
        lane.worker.postMessage({ id, job }, [job.bytes.buffer])
      })
    },
    [Symbol.dispose]() {
      for (const lane of lanes) if (lane !== undefined) close(lane, 'the viewer was left')
      lanes.fill(undefined)
    },
  }
}

function close({ worker, jobs }: Lane, reason: string): void {
  worker.terminate()
  for (const { reject } of jobs.values()) reject(new Error(reason))
  jobs.clear()
}

/** A running worker without work, else a new one, else the shortest queue. */
function leastBusy(lanes: readonly (Lane | undefined)[]): number {
  let best = 0
  for (let at = 0; at < lanes.length; at++) {
    if (cost(lanes[at]) < cost(lanes[best])) best = at
  }
  return best
}

const cost = (lane: Lane | undefined) => (lane === undefined ? 0.5 : lane.jobs.size)
