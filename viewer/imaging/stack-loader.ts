import { createLinkMeter, type LinkMeter } from './link-meter.ts'
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
/** A slice that the reader rests on for so long is the one that she wants. */
const restMs = 250
/** A link on which a frame takes longer than this is thin: what is not looked at makes way. */
const thinFrameMs = 500

export function createStackLoader(deps: LoaderDeps): StackLoader {
  const abort = new AbortController()
  const { states, progress, set } = createStates(deps, abort.signal)
  const failures = createFailures(deps)
  const meter = createLinkMeter(deps.clock)
  const rest = createTimer(deps.later)
  const runs = createRuns({ deps, abort, failures, meter, progress, set }, () => pump())
  let focus = 0
  let isPaused = false

  function pump(): void {
    if (isPaused || abort.signal.aborted) return
    const lanes = lanesFor(meter.bytesPerSecond(), meter.frameBytes())
    while (runs.count() < lanes) {
      const index = nextSlice(states, focus)
      if (index < 0) return
      void runs.run(index, false)
    }
    // The slice that is looked at does not wait for a free lane.
    if (states[focus] === 'absent' && !runs.hasUrgent()) void runs.run(focus, true)
  }

  /** On a thin link the slice that the reader rests on gets all of it. */
  function rested(): void {
    if (states[focus] !== 'shown' && (meter.frameMs() ?? 0) >= thinFrameMs) runs.keepOnly(focus)
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
      rest.start(rested, restMs)
    },
    pause(value) {
      isPaused = value
      pump()
    },
    bytesPerSecond: meter.bytesPerSecond,
    [Symbol.dispose]() {
      abort.abort()
      rest.stop()
      failures.stop()
    },
  }
}

type RunParts = {
  deps: Pick<LoaderDeps, 'load'>
  abort: AbortController
  failures: ReturnType<typeof createFailures>
  meter: LinkMeter
  progress: Progress
  set: (index: number, state: FrameState) => void
}

/** The frames that are under way; `next` is called when one has come or gone. */
function createRuns({ deps, abort, failures, meter, progress, set }: RunParts, next: () => void) {
  const underWay = new Map<number, AbortController>()
  let urgent = -1

  async function run(index: number, isUrgent: boolean): Promise<void> {
    if (underWay.size === 0) meter.start()
    const own = new AbortController()
    underWay.set(index, own)
    if (isUrgent) urgent = index
    set(index, 'loading')
    try {
      const bytes = await deps.load(index, AbortSignal.any([abort.signal, own.signal]))
      meter.add(bytes)
      progress.bytes += bytes
      failures.clear(index)
      set(index, 'shown')
    } catch (error) {
      if (own.signal.aborted) set(index, 'absent')
      else if (!abort.signal.aborted) failed(index, error)
    } finally {
      underWay.delete(index)
      if (urgent === index) urgent = -1
    }
    next()
  }

  function failed(index: number, error: unknown): void {
    // It stays "loading" while it waits for its next attempt, so that the other frames go on meanwhile.
    const isWaiting = failures.again(index, error, () => {
      set(index, 'absent')
      next()
    })
    if (!isWaiting) set(index, 'failed')
  }

  return {
    run,
    count: () => underWay.size,
    hasUrgent: () => urgent >= 0,
    /** Gives up the others; they are asked for again later. */
    keepOnly(index: number): void {
      for (const [other, load] of underWay) if (other !== index) load.abort()
    },
  }
}

/** One thing to do later; starting it again forgets the time before. */
function createTimer(later: LoaderDeps['later']) {
  let cancel: (() => void) | undefined
  return {
    start(run: () => void, delayMs: number): void {
      cancel?.()
      cancel = later(run, delayMs)
    },
    stop: () => cancel?.(),
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
