import { type ReadonlySignal, signal } from '@preact/signals'
import type { Samples } from '#pixels/bits.ts'
import { frameLength } from './pixel-format.ts'
import type { StackSession, StackSessionDeps } from './stack-session.ts'
import type { Stack } from './stacks.ts'
import { type Thumbnail, thumbnailOf } from './thumbnail.ts'
import { firstChoice, type Range, voiOf } from './windowing.ts'

/** One small picture per stack. */
export type Thumbnails = {
  readonly pictures: ReadonlySignal<ReadonlyMap<string, Thumbnail>>
  /** Draws what can be drawn now; a call while another runs does nothing. */
  draw: (stacks: () => readonly Stack[]) => Promise<void>
  /** Has drawn anew what failed; `passing` leaves out what trying again cannot mend. */
  retry: (which: 'all' | 'passing') => void
}

export type ThumbnailsDeps = Pick<StackSessionDeps, 'fetchFrame' | 'decoders' | 'isPermanent'> & {
  signal: AbortSignal
  /** The stack in memory, where it is. */
  sessionOf: (stack: Stack) => StackSession | undefined
  /** Whether frames may be fetched for pictures now. */
  mayFetch: () => boolean
}

export function createThumbnails(deps: ThumbnailsDeps): Thumbnails {
  const pictures = signal<ReadonlyMap<string, Thumbnail>>(new Map())
  const failures = new Map<string, unknown>()
  let isDrawing = false

  async function pictureOf(stack: Stack): Promise<Thumbnail | undefined> {
    const present = deps.sessionOf(stack)
    try {
      if (present !== undefined) return fromMemory(present)
      return deps.mayFetch() ? await fetched(stack, deps) : undefined
    } catch (error) {
      // The stack itself will say what is wrong when it is opened; an empty picture stops asking at every change.
      failures.set(stack.key, error)
      return nothing
    }
  }

  return {
    pictures,
    async draw(stacks) {
      if (isDrawing) return
      isDrawing = true
      try {
        for (const stack of stacks()) {
          if (deps.signal.aborted) return
          if (pictures.value.has(stack.key)) continue
          const picture = await pictureOf(stack)
          if (picture !== undefined) {
            pictures.value = new Map([...pictures.value, [stack.key, picture]])
          }
        }
      } finally {
        isDrawing = false
      }
    },
    retry(which) {
      const again = [...failures].filter(([, error]) => which === 'all' || !deps.isPermanent(error))
      if (again.length === 0) return
      const left = new Map(pictures.value)
      for (const [key] of again) {
        failures.delete(key)
        left.delete(key)
      }
      pictures.value = left
    },
  }
}

/** The middle of a stack says most of it; a run is known by its beginning. */
export const middleOf = (stack: Stack): number =>
  stack.isCine ? 0 : (stack.slices.length - 1) >> 1

function fromMemory({ stack, loader, samples, range }: StackSession): Thumbnail | undefined {
  const slice = middleOf(stack)
  if (loader.states[slice] === 'failed') throw loader.failure(slice) ?? new Error('no frame')
  if (loader.states[slice] !== 'shown') return undefined
  const first = slice * frameLength(stack.format)
  return drawn(stack, slice, { samples, first, range: range.value })
}

async function fetched(
  stack: Stack,
  { fetchFrame, decoders, signal }: ThumbnailsDeps,
): Promise<Thumbnail> {
  const { series, format, palette, slices } = stack
  const slice = middleOf(stack)
  const wanted = slices[slice]
  if (wanted === undefined) return nothing
  const wire = await fetchFrame({ series, sop: wanted.sop, frame: wanted.frame }, signal)
  const { samples, ...range } = await decoders.decode({ ...wire, format, palette })
  return drawn(stack, slice, { samples, first: 0, range })
}

const nothing: Thumbnail = { width: 0, height: 0, pixels: new Uint8ClampedArray() }

function drawn(
  stack: Stack,
  slice: number,
  { samples, first, range }: { samples: Samples; first: number; range: Range },
): Thumbnail {
  const voi = voiOf(stack, slice, { choice: firstChoice(stack), range })
  return thumbnailOf(stack, slice, { samples, first, voi })
}
