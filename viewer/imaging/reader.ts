import { batch, computed, type ReadonlySignal, type Signal, signal } from '@preact/signals'
import type { FrameState } from './next-slice.ts'
import type { Voi, Window } from '#pixels/grey.ts'
import type { StackSession } from './stack-session.ts'
import { middleOf } from './thumbnails.ts'
import {
  choiceOn,
  firstChoice,
  handDrawn,
  voiOf,
  type WindowChoice,
  windowOf,
} from './windowing.ts'

/** What the left button does. */
export type Mode = 'window' | 'pan' | 'zoom' | 'scroll'

/** Everything about how one stack is being read; the viewport shows it, tools and keys change it. */
export type Reader = {
  readonly session: StackSession
  readonly slice: Signal<number>
  readonly choice: Signal<WindowChoice>
  /** The choice as it holds on the slice that is shown; menus and texts say this one. */
  readonly choiceShown: ReadonlySignal<WindowChoice>
  readonly voi: ReadonlySignal<Voi>
  readonly window: ReadonlySignal<Window>
  readonly state: ReadonlySignal<FrameState>
  readonly inverted: Signal<boolean>
  readonly flipX: Signal<boolean>
  readonly flipY: Signal<boolean>
  readonly isPlaying: Signal<boolean>
  readonly frameRate: Signal<number>
  go: (slice: number) => void
  step: (by: number) => void
  /** The next frame of a running cine loop; it waits for a frame that has not come. */
  advance: () => void
  dragWindow: (move: { x: number; y: number }) => void
  reset: () => void
}

export function createReader(session: StackSession): Reader {
  const { stack, loader } = session
  const last = stack.slices.length - 1
  const slice = signal(middleOf(stack))
  const choice = signal<WindowChoice>(firstChoice(stack))
  const inverted = signal(false)
  const flipX = signal(false)
  const flipY = signal(false)
  const isPlaying = signal(false)
  const frameRate = signal(Math.round(stack.frameRate ?? 10))
  const voi = computed(() =>
    voiOf(stack, slice.value, { choice: choice.value, range: session.range.value }),
  )
  const state = computed(() => {
    void session.revision.value
    return loader.states[slice.value] ?? 'absent'
  })

  const reader: Reader = {
    session,
    slice,
    choice,
    choiceShown: computed(() => choiceOn(stack, slice.value, choice.value)),
    voi,
    window: computed(() => windowOf(voi.value)),
    state,
    inverted,
    flipX,
    flipY,
    isPlaying,
    frameRate,
    go(wanted) {
      const bounded = Math.min(Math.max(Math.round(wanted), 0), last)
      if (bounded !== slice.value) slice.value = bounded
      loader.focus(bounded)
    },
    step: (by) => reader.go(slice.value + by),
    advance() {
      const next = slice.value >= last ? 0 : slice.value + 1
      loader.focus(next)
      if (loader.states[next] === 'shown' || loader.states[next] === 'failed') slice.value = next
    },
    dragWindow(move) {
      choice.value = { kind: 'manual', window: handDrawn(stack, voi.value, move) }
    },
    reset() {
      batch(() => {
        choice.value = firstChoice(stack)
        inverted.value = false
        flipX.value = false
        flipY.value = false
      })
    },
  }
  loader.focus(slice.value)
  return reader
}
