import { App, AppOptions, Index, type LayerGroup, ViewConfig, type ViewLayer } from 'dwv'
import type { Samples } from '#pixels/bits.ts'
import type { Stack } from '../imaging/stacks.ts'
import { type Camera, createCamera, type Place } from './camera.ts'
import { installFastView } from './fast-view.ts'
import { type Display, dicomDataOf, StreamImage } from './stream-image.ts'

/** One stack on the screen: dwv behind the few verbs that the viewer needs. */
export type Stage = {
  readonly camera: Camera
  show: (slice: number) => void
  /** The samples of the slice on the screen have changed. */
  repaint: () => void
  display: (display: Display) => void
  /** The image pixel under a place in CSS pixels, or nothing outside the image. */
  pixelAt: (place: Place) => { column: number; row: number } | undefined
  resize: () => void
  [Symbol.dispose]: () => void
}

export type StageOptions = {
  stack: Stack
  samples: Samples
  display: Display
  slice: number
  onZoom: (zoom: number) => void
}

export function createStage(container: HTMLElement, options: StageOptions): Stage {
  installFastView()
  const { stack, samples } = options
  const group = document.createElement('div')
  // dwv finds its containers by id, and two stages may be alive while a page changes.
  group.id = `stage-${crypto.randomUUID()}`
  group.className = 'stage'
  container.append(group)
  const pixel = fillContainer(container, group)
  const image = new StreamImage(stack, samples, options.display)
  const { app, dataId, layers, layer } = openApp(group.id, image)
  const view = layer.getViewController()
  const camera = createCamera({
    layers,
    layer,
    group,
    pixelRatio: () => pixel.ratio,
    onZoom: options.onZoom,
  })
  layer.addEventListener('renderstart', () => {
    // A reduced image loses thin lines with the canvas's ordinary smoothing; every resize resets this.
    const canvas = group.querySelector('canvas')?.getContext('2d')
    if (canvas) canvas.imageSmoothingQuality = 'high'
  })

  const stage: Stage = {
    camera,
    show(slice) {
      if (stack.slices.length > 1) view.setCurrentIndex(new Index([0, 0, 0, slice]))
    },
    repaint: () => layer.onimagecontentchange({ dataid: dataId }),
    display(display) {
      image.display = display
      stage.repaint()
    },
    pixelAt(place) {
      const point = camera.imagePoint(place)
      const [column, row] = [Math.floor(point.x), Math.floor(point.y)]
      const { columns, rows } = stack.format
      if (column < 0 || row < 0 || column >= columns || row >= rows) return undefined
      return {
        column: image.display.flipX ? columns - 1 - column : column,
        row: image.display.flipY ? rows - 1 - row : row,
      }
    },
    resize() {
      // dwv throws on a container without a size, which a page that is being left has.
      if (!pixel.update()) return
      app.fitToContainer()
      camera.refit()
    },
    [Symbol.dispose]() {
      app.abortLoad(dataId)
      app.reset()
      group.remove()
    },
  }
  stage.show(options.slice)
  camera.fit()
  return stage
}

type Opened = { app: App; dataId: string; layers: LayerGroup; layer: ViewLayer }

function openApp(divId: string, image: StreamImage): Opened {
  const app = new App()
  // Without tools dwv listens to nothing on the window: gestures and keys are the viewer's own.
  app.init(new AppOptions({ '*': [new ViewConfig(divId)] }))
  const dataId = app.getNextDataId()
  app.addData(dataId, dicomDataOf(image))
  app.render(dataId)
  const layers = app.getLayerGroupByDivId(divId)
  const layer = app.getViewLayersByDataId(dataId)[0]
  if (layers === undefined || layer === undefined) throw new Error('dwv made no layer')
  return { app, dataId, layers, layer }
}

/**
 * dwv counts in CSS pixels. On a screen with more, its layer is made that much larger and scaled back, so that one
 * canvas pixel is one pixel of the screen.
 */
function fillContainer(container: HTMLElement, group: HTMLElement) {
  const state = {
    ratio: 1,
    /** False while the container has no size. */
    update(): boolean {
      const { clientWidth, clientHeight } = container
      if (clientWidth === 0 || clientHeight === 0) return false
      state.ratio = globalThis.devicePixelRatio
      group.style.width = `${Math.round(clientWidth * state.ratio)}px`
      group.style.height = `${Math.round(clientHeight * state.ratio)}px`
      group.style.transform = `scale(${1 / state.ratio})`
      return true
    },
  }
  if (!state.update()) throw new Error('the viewport has no size')
  return state
}
