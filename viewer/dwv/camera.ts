import { type LayerGroup, Point2D, type ViewLayer } from 'dwv'

/** Where the reader looks at the image from: zoom and pan over dwv's layer. Lengths are CSS pixels. */
export type Camera = {
  zoomBy: (factor: number, at: Place) => void
  panBy: (move: Place) => void
  fit: () => void
  /** One image pixel on one pixel of the screen. */
  actualSize: () => void
  /** Screen pixels per image pixel. */
  zoom: () => number
  /** The image point under a place, in pixels of the image. */
  imagePoint: (place: Place) => Place
  /** Keeps "fit" and "1:1" what they are after the container has changed its size. */
  refit: () => void
}
export type Place = { x: number; y: number }

export type CameraDeps = {
  layers: LayerGroup
  layer: ViewLayer
  group: HTMLElement
  pixelRatio: () => number
  /** Called with every change of the view. */
  onZoom: (zoom: number) => void
}

export function createCamera({ layers, layer, group, pixelRatio, onZoom }: CameraDeps): Camera {
  const view = layer.getViewController()
  let size: 'fit' | 'actual' | 'free' = 'fit'

  const onCanvas = ({ x, y }: Place) => new Point2D(x * pixelRatio(), y * pixelRatio())

  /** Pixels that stand one to one on the screen must not be smoothed. */
  function draw(): void {
    layer.setImageSmoothing(Math.abs(layer.getScale().x - 1) > 1e-6)
    layers.draw()
    onZoom(layer.getScale().x)
  }

  function translate(x: number, y: number): void {
    const plane = layer.displayToPlaneScale(new Point2D(x, y))
    const offset = view.getOffset3DFromPlaneOffset({ x: plane.getX(), y: plane.getY() })
    layers.addTranslation({ x: offset.getX(), y: offset.getY(), z: offset.getZ() })
  }

  function scale(factor: number, at: Point2D): void {
    const center = view.getPlanePositionFromPlanePoint(layer.displayToMainPlanePos(at))
    layers.addScale(factor - 1, center)
  }

  const camera: Camera = {
    zoomBy(factor, at) {
      size = 'free'
      scale(factor, onCanvas(at))
      draw()
    },
    panBy({ x, y }) {
      size = 'free'
      translate(x * pixelRatio(), y * pixelRatio())
      draw()
    },
    fit() {
      size = 'fit'
      layers.resetZoomPan()
      draw()
    },
    actualSize() {
      size = 'actual'
      layers.resetZoomPan()
      scale(1 / layer.getScale().x, new Point2D(group.offsetWidth / 2, group.offsetHeight / 2))
      // A fraction of a pixel would blur every line of an image that is shown one to one.
      const origin = layer.displayToPlanePos(new Point2D(0, 0))
      const [x, y] = [origin.getX(), origin.getY()]
      translate(x - Math.round(x), y - Math.round(y))
      draw()
    },
    zoom: () => layer.getScale().x,
    imagePoint(place) {
      const plane = layer.displayToPlanePos(onCanvas(place))
      return { x: plane.getX(), y: plane.getY() }
    },
    refit() {
      if (size === 'fit') camera.fit()
      else if (size === 'actual') camera.actualSize()
    },
  }
  return camera
}
