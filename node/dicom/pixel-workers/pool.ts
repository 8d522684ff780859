import { ProtocolError } from '#protocol/errors.ts'
import { pixelLimits } from '#protocol/limits.ts'
import { frameBytes } from '../codecs/pixel-format.ts'
import type { PixelJob, PixelResult } from './jobs.ts'
import { createLane, type Lane } from './lane.ts'

/**
 * Decoding beside the main thread, in a few threads with one frame at a time each. A thread that takes too long or
 * too much memory is ended, and its frame fails alone.
 */
export type PixelPool = AsyncDisposable & {
  /**
   * Takes the frame's bytes over. Throws `instance_malformed` for a frame that cannot be decoded, `too_large` for one
   * above the limit, `timeout`, `aborted`, and `unavailable` when too many wait.
   */
  run(job: PixelJob, signal?: AbortSignal): Promise<PixelResult>
}

export type PoolOptions = { threads?: number; deadlineMs?: number; memoryBytes?: number }

export function createPixelPool(options: PoolOptions = {}): PixelPool {
  const { threads = pixelLimits.threads } = options
  const laneOptions = {
    deadlineMs: options.deadlineMs ?? pixelLimits.deadlineMs,
    memoryBytes: options.memoryBytes ?? pixelLimits.codecBytes,
  }
  let lanes: Lane[] = []
  const waiting: (() => void)[] = []
  let active = 0
  let isClosed = false

  function freeLane(): Lane {
    lanes = lanes.filter(({ isOpen }) => isOpen)
    const free = lanes.find(({ isBusy }) => !isBusy) ?? createLane(laneOptions)
    if (!lanes.includes(free)) lanes.push(free)
    return free
  }

  /** Waits until a thread is free. */
  async function turn(): Promise<void> {
    if (active >= threads) {
      if (waiting.length >= pixelLimits.waitingMax) throw busy()
      await new Promise<void>((resolve) => waiting.push(resolve))
    } else active++
  }

  /** Hands the turn on. */
  function leave(): void {
    const next = waiting.shift()
    if (next === undefined) active--
    else next()
  }

  return {
    async run(job, signal) {
      const { format, bytes } = job.frame
      const largest = Math.max(frameBytes(format), bytes.length)
      if (largest > pixelLimits.frameBytes) {
        throw new ProtocolError('too_large', 'the frame is too large to be decoded')
      }
      await turn()
      try {
        if (isClosed || signal?.aborted === true) throw aborted()
        return await freeLane().run(job, signal)
      } finally {
        leave()
      }
    },
    async [Symbol.asyncDispose]() {
      isClosed = true
      for (const lane of lanes) lane.end('aborted', 'the node stops')
    },
  }
}

const aborted = () => new ProtocolError('aborted', 'nobody waits any more')
const busy = () => new ProtocolError('unavailable', 'too many frames wait')
