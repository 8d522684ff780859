import { type FrameState, lanesFor, nextSlice } from './next-slice.ts'

/**
 * Fills a stack frame by frame: the slice under the cursor first, its neighbours next, no more at once than the link
 * carries. A frame that fails is tried again, then stays marked as failed; it is never shown as if it had arrived.
 */
export type StackLoader = {
  readonly states: readonly FrameState[]
  readonly progress: Progress
  /** Why a frame failed. */
  failure(index: number): Error | undefined
  /** The reader looks at this slice now. */
  focus(index: number): void
  /** Tries again what failed, or only what failed for a reason that passes. */
  retry(which?: 'all' | 'passing'): void
  /** Stops starting new frames, for instance while another stack is being read. */
  pause(isPaused: boolean): void
  bytesPerSecond(): number | undefined
  [Symbol.dispose](): void
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
/** Over how many of the last frames the speed of the link is measured. */
const sampleFrames = 8

export function createStackLoader(deps: LoaderDeps): StackLoader {
  const { count, load, isPermanent, onChange, clock, later } = deps
  const states: FrameState[] = Array.from({ length: count }, () => 'absent')
  const attempts = new Map<number, number>()
  const failures = new Map<number, Error>()
  const waiting = new Set<() => void>()
  const abort = new AbortController()
  const meter = createMeter(clock)
  const progress: Progress = { loaded: 0, failed: 0, total: count, bytes: 0 }
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
      const bytes = await load(index, abort.signal)
      meter.add(bytes)
      progress.bytes += bytes
      set(index, 'shown')
    } catch (error) {
      if (!abort.signal.aborted) failed(index, error)
    } finally {
      active -= 1
      if (isUrgent) isUrgentActive = false
    }
    pump()
  }

  function failed(index: number, error: unknown): void {
    const attempt = (attempts.get(index) ?? 0) + 1
    attempts.set(index, attempt)
    failures.set(index, error instanceof Error ? error : new Error(String(error)))
    if (attempt >= attemptsMax || isPermanent(error)) return set(index, 'failed')
    // It stays "loading" while it waits, so that the other frames go on meanwhile.
    const cancel = later(
      () => {
        waiting.delete(cancel)
        set(index, 'absent')
        pump()
      },
      firstDelayMs * 2 ** (attempt - 1),
    )
    waiting.add(cancel)
  }

  function set(index: number, state: FrameState): void {
    if (abort.signal.aborted) return
    const before = states[index]
    states[index] = state
    if (before === 'failed') progress.failed -= 1
    if (state === 'failed') progress.failed += 1
    if (state === 'shown') {
      progress.loaded += 1
      failures.delete(index)
    }
    onChange(index)
  }

  return {
    states,
    progress,
    failure: (index) => failures.get(index),
    focus(index) {
      focus = index
      pump()
    },
    retry(which = 'all') {
      for (const [index, state] of states.entries()) {
        if (state !== 'failed') continue
        if (which === 'passing' && isPermanent(failures.get(index))) continue
        attempts.delete(index)
        set(index, 'absent')
      }
      pump()
    },
    pause(value) {
      isPaused = value
      pump()
    },
    bytesPerSecond: () => meter.bytesPerSecond(),
    [Symbol.dispose]() {
      abort.abort()
      for (const cancel of waiting) cancel()
      waiting.clear()
    },
  }
}

/** The speed of the link while frames were on the way. */
function createMeter(clock: () => number) {
  let arrivals: { at: number; bytes: number }[] = []
  return {
    start() {
      arrivals = [{ at: clock(), bytes: 0 }]
    },
    add(bytes: number) {
      arrivals.push({ at: clock(), bytes })
      if (arrivals.length > sampleFrames) arrivals.shift()
    },
    bytesPerSecond(): number | undefined {
      const first = arrivals[0]
      const last = arrivals.at(-1)
      if (first === undefined || last === undefined || last === first) return undefined
      const bytes = arrivals.slice(1).reduce((sum, arrival) => sum + arrival.bytes, 0)
      return (bytes * 1000) / Math.max(last.at - first.at, 1)
    },
    frameBytes(): number | undefined {
      const sizes = arrivals.map(({ bytes }) => bytes).filter((bytes) => bytes > 0)
      if (sizes.length === 0) return undefined
      return sizes.reduce((sum, size) => sum + size, 0) / sizes.length
    },
  }
}
