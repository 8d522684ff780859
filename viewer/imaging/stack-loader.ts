import { createLinkMeter } from './link-meter.ts'
import { type FrameState, lanesFor, nextSlice } from './next-slice.ts'

/**
 * Fills a stack frame by frame: the slice under the cursor first, its neighbours next, no more at once than the link
 * carries. A frame that fails is tried again, then stays marked as failed; it is never shown as if it had arrived.
 */
export type StackLoader = {
  readonly states: readonly FrameState[]
  readonly progress: Progress
  /** Why a frame failed. */
  failure: (index: number) => Error | undefined
  /** The reader looks at this slice now. */
  focus: (index: number) => void
  /** Tries again what failed, or only what failed for a reason that passes. */
  retry: (which?: 'all' | 'passing') => void
  /** Stops starting new frames, for instance while another stack is being read. */
  pause: (isPaused: boolean) => void
  bytesPerSecond: () => number | undefined
  [Symbol.dispose]: () => void
}

export type Progress = { loaded: number; failed: number; total: number; bytes: number }

export type LoaderDeps = {
  count: number
  /** Fetches, decodes and stores one frame; says how many bytes it took on the wire. */
  load: (index: number, signal: AbortSignal) => Promise<number>
  /** A failure that trying again cannot mend. */
  isPermanent: (error: unknown) => boolean
  onChange: (index: number) => void
  clock: () => number
  /** Runs later; the result cancels. */
  later: (run: () => void, delayMs: number) => () => void
}

const attemptsMax = 4
const firstDelayMs = 400

export function createStackLoader(deps: LoaderDeps): StackLoader {
  const abort = new AbortController()
  const { states, progress, set } = createStates(deps, abort.signal)
  const failures = createFailures(deps)
  const meter = createLinkMeter(deps.clock)
  let focus = 0
  let active = 0
  let isUrgentActive = false
  let isPaused = false

  function pump(): void {
    if (isPaused || abort.signal.aborted) return
    const lanes = lanesFor(meter.bytesPerSecond(), meter.frameBytes())
    while (active < lanes) {
      const index = nextSlice(states, focus)
      if (index < 0) return
      void run(index, false)
    }
    // The slice that is looked at does not wait for a free lane.
    if (states[focus] === 'absent' && !isUrgentActive) void run(focus, true)
  }

  async function run(index: number, isUrgent: boolean): Promise<void> {
    if (active === 0) meter.start()
    active += 1
    if (isUrgent) isUrgentActive = true
    set(index, 'loading')
    try {
      const bytes = await deps.load(index, abort.signal)
      meter.add(bytes)
      progress.bytes += bytes
      failures.clear(index)
      set(index, 'shown')
    } catch (error) {
      // It stays "loading" while it waits for its next attempt, so that the other frames go on meanwhile.
      const again = () => {
        set(index, 'absent')
        pump()
      }
      if (!abort.signal.aborted && !failures.again(index, error, again)) set(index, 'failed')
    } finally {
      active -= 1
      if (isUrgent) isUrgentActive = false
    }
    pump()
  }

  return {
    states,
    progress,
    failure: failures.reason,
    retry(which = 'all') {
      for (const index of failures.taken(which)) set(index, 'absent')
      pump()
    },
    focus(index) {
      focus = index
      pump()
    },
    pause(value) {
      isPaused = value
      pump()
    },
    bytesPerSecond: meter.bytesPerSecond,
    [Symbol.dispose]() {
      abort.abort()
      failures.stop()
    },
  }
}

/** What has become of each frame, and the sum of it. */
function createStates({ count, onChange }: LoaderDeps, signal: AbortSignal) {
  const states: FrameState[] = Array.from({ length: count }, () => 'absent')
  const progress: Progress = { loaded: 0, failed: 0, total: count, bytes: 0 }
  function set(index: number, state: FrameState): void {
    if (signal.aborted) return
    const before = states[index]
    states[index] = state
    if (before === 'failed') progress.failed -= 1
    if (state === 'failed') progress.failed += 1
    if (state === 'shown') progress.loaded += 1
    onChange(index)
  }
  return { states, progress, set }
}

/** Which frames failed, why, and when they are tried again. */
function createFailures({ isPermanent, later }: Pick<LoaderDeps, 'isPermanent' | 'later'>) {
  const attempts = new Map<number, number>()
  const reasons = new Map<number, Error>()
  const waiting = new Set<() => void>()
  const isGivenUp = (index: number, reason: unknown) => {
    const attempt = attempts.get(index) ?? 0
    return attempt >= attemptsMax || (attempt > 0 && isPermanent(reason))
  }
  return {
    reason: (index: number) => reasons.get(index),
    /** False when there will be no other attempt. */
    again(index: number, error: unknown, run: () => void): boolean {
      const attempt = (attempts.get(index) ?? 0) + 1
      attempts.set(index, attempt)
      reasons.set(index, error instanceof Error ? error : new Error(String(error)))
      if (isGivenUp(index, error)) return false
      const cancel = later(
        () => {
          waiting.delete(cancel)
          run()
        },
        firstDelayMs * 2 ** (attempt - 1),
      )
      waiting.add(cancel)
      return true
    },
    /** Frames that were given up and may be tried once more. */
    taken(which: 'all' | 'passing'): number[] {
      const given = [...reasons].filter(
        ([index, reason]) => isGivenUp(index, reason) && (which === 'all' || !isPermanent(reason)),
      )
      for (const [index] of given) attempts.delete(index)
      return given.map(([index]) => index)
    },
    clear(index: number): void {
      attempts.delete(index)
      reasons.delete(index)
    },
    stop(): void {
      for (const cancel of waiting) cancel()
      waiting.clear()
    },
  }
}
