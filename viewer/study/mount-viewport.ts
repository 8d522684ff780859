import { effect, type Signal } from '@preact/signals'
import { modalityValue } from '#pixels/grey.ts'
import { frameLength, shownFormat } from '../imaging/pixel-format.ts'
import type { Reader } from '../imaging/reader.ts'
import type { Place } from '../dwv/camera.ts'
import { createStage, type Stage } from '../dwv/stage.ts'
import { attachGestures } from './gestures.ts'
import type { StudyView } from './study-view.ts'

export type Mount = { view: StudyView; reader: Reader; probe: Signal<Probe | undefined> }

/** The pixel under the pointer. */
export type Probe = { column: number; row: number; values: number[] }

/** Puts a stack on the screen and keeps it what the reader says, until the result is called. */
export function mountViewport(element: HTMLElement, mount: Mount): () => void {
  let unmount: (() => void) | undefined
  let stage: Stage | undefined
  const observer = new ResizeObserver(() => {
    if (element.clientWidth === 0 || element.clientHeight === 0) return
    if (stage !== undefined) return stage.resize()
    ;({ stage, unmount } = openStage(element, mount))
    return undefined
  })
  observer.observe(element)
  return () => {
    observer.disconnect()
    unmount?.()
  }
}

function openStage(element: HTMLElement, { view, reader, probe }: Mount) {
  const { stack, samples } = reader.session
  const display = () => ({
    voi: reader.voi.value,
    inverted: reader.inverted.value,
    flipX: reader.flipX.value,
    flipY: reader.flipY.value,
  })
  const stage = createStage(element, {
    stack,
    samples,
    display: display(),
    slice: reader.slice.peek(),
    onZoom: (zoom) => (view.zoom.value = zoom),
  })
  const hover = (place: Place | undefined) => {
    probe.value = place === undefined ? undefined : probeAt(stage, reader, place)
  }
  const stops = [
    effect(() => stage.show(reader.slice.value)),
    effect(() => stage.display(display())),
    effect(() => {
      if (reader.state.value === 'shown') stage.repaint()
    }),
    attachGestures({ element, reader, camera: stage.camera, mode: () => view.mode.peek(), hover }),
  ]
  view.camera.value = {
    ...stage.camera,
    middle: () => ({ x: element.clientWidth / 2, y: element.clientHeight / 2 }),
  }
  return {
    stage,
    unmount: () => {
      view.camera.value = undefined
      probe.value = undefined
      for (const stop of stops) stop()
      stage[Symbol.dispose]()
    },
  }
}

/** What the file says of a pixel: modality values of grey images, the three channels of colour. */
function probeAt(stage: Stage, reader: Reader, place: Place): Probe | undefined {
  const pixel = stage.pixelAt(place)
  if (pixel === undefined || reader.state.peek() !== 'shown') return undefined
  const { stack, samples } = reader.session
  const slice = reader.slice.peek()
  const channels = shownFormat(stack.format).samples
  const offset = pixel.row * stack.format.columns + pixel.column
  const first = slice * frameLength(stack.format) + offset * channels
  if (channels === 3) return { ...pixel, values: Array.from(samples.subarray(first, first + 3)) }
  const modality = stack.slices[slice]?.modality
  const stored = samples[first]
  if (modality === undefined || stored === undefined) return undefined
  return { ...pixel, values: [modalityValue(modality, stored)] }
}
