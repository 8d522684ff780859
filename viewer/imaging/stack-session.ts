import { type Signal, signal } from '@preact/signals'
import type { WireFrame } from '../api/frames.ts'
import type { Samples } from '#pixels/bits.ts'
import { samplesOf } from '#pixels/bits.ts'
import type { DecoderPool } from './decoder-pool.ts'
import type { Stack } from './stacks.ts'
import { frameBytes, frameLength, shownFormat } from './pixel-format.ts'
import { createStackLoader, type LoaderDeps, type StackLoader } from './stack-loader.ts'

/** A stack in memory: one buffer for all its slices, filled in any order. */
export type StackSession = {
  readonly stack: Stack
  readonly samples: Samples
  readonly loader: StackLoader
  readonly bytes: number
  /** Grows with every change of a frame; whoever shows progress reads it. */
  readonly revision: Signal<number>
  /** Range of stored values of the first slice that arrived, for the automatic window. */
  readonly range: Signal<{ min: number; max: number } | undefined>
  [Symbol.dispose]: () => void
}

export type StackSessionDeps = Pick<LoaderDeps, 'isPermanent' | 'clock' | 'later'> & {
  decoders: DecoderPool
  fetchFrame: (
    slice: { series: string; sop: string; frame: number },
    signal: AbortSignal,
  ) => Promise<WireFrame>
  /** A slice of this stack is in the buffer now. */
  onFrame?: (index: number) => void
}

export const stackBytes = (stack: Stack): number => frameBytes(stack.format) * stack.slices.length

/** Throws `RangeError` when the browser has no memory for the stack. */
export function openStack(stack: Stack, deps: StackSessionDeps): StackSession {
  const { format, palette, slices, series } = stack
  const length = frameLength(format)
  const samples = samplesOf(shownFormat(format), length * slices.length)
  const revision = signal(0)
  const range = signal<{ min: number; max: number } | undefined>(undefined)

  async function load(index: number, abort: AbortSignal): Promise<number> {
    const slice = slices[index]
    if (slice === undefined) throw new Error('no such slice')
    const wire = await deps.fetchFrame({ series, sop: slice.sop, frame: slice.frame }, abort)
    // Decoding moves the buffer to the worker, so its size is taken before.
    const size = wire.bytes.length
    const frame = await deps.decoders.decode({ ...wire, format, palette })
    abort.throwIfAborted()
    samples.set(frame.samples, index * length)
    range.value ??= { min: frame.min, max: frame.max }
    return size
  }

  const loader = createStackLoader({
    ...deps,
    count: slices.length,
    load,
    onChange(index) {
      revision.value += 1
      if (loader.states[index] === 'shown') deps.onFrame?.(index)
    },
  })
  return {
    stack,
    samples,
    loader,
    bytes: stackBytes(stack),
    revision,
    range,
    [Symbol.dispose]() {
      loader[Symbol.dispose]()
      // Views that outlive their page would keep hundreds of megabytes alive; detached buffers hold none.
      samples.buffer.transfer(0)
    },
  }
}
