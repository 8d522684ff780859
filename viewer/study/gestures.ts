import type { Mode, Reader } from '../imaging/reader.ts'
import type { Camera, Place } from '../dwv/camera.ts'

/**
 * Mouse, pen and touch: the left button does what the tool says, the right one sets the window, the middle one moves,
 * the wheel scrolls and with Ctrl zooms; two fingers move and zoom.
 */
export type GestureDeps = {
  element: HTMLElement
  reader: Reader
  camera: Pick<Camera, 'zoomBy' | 'panBy' | 'fit'>
  mode: () => Mode
  /** The pointer is over this place, or has left. */
  hover: (place: Place | undefined) => void
}

/** What a press of a button does. */
export function modeOf(button: number, chosen: Mode): Mode {
  if (button === 2) return 'window'
  return button === 1 ? 'pan' : chosen
}

/** Turns wheel movement into whole slices: a notch is one, a touchpad's small steps add up. */
export function createWheel() {
  let rest = 0
  return {
    slices(event: Pick<WheelEvent, 'deltaY' | 'deltaMode'>): number {
      const pixels = event.deltaMode === 0 ? event.deltaY : event.deltaY * notchPixels
      if (Math.sign(pixels) !== Math.sign(rest)) rest = 0
      if (Math.abs(pixels) >= notchPixels / 2) {
        rest = 0
        return Math.sign(pixels)
      }
      rest += pixels
      const whole = Math.trunc(rest / touchpadPixels)
      rest -= whole * touchpadPixels
      return whole
    },
  }
}

const notchPixels = 100
const touchpadPixels = 24

/** How far the pointer goes for one slice: a whole stack in a drag, yet no faster than the hand can aim. */
export const pixelsPerSlice = (height: number, count: number): number =>
  Math.min(Math.max((height * 0.8) / Math.max(count, 1), 2), 24)

/** Up enlarges; a hundred pixels are a factor of 1.65. */
export const dragZoom = (dy: number): number => Math.exp(-dy / 200)

type Held = { id: number; at: Place; mode: Mode }

export function attachGestures(deps: GestureDeps): () => void {
  const { element, reader, camera, hover } = deps
  const wheel = createWheel()
  const held = new Map<number, Held>()
  const abort = new AbortController()
  const on = <K extends keyof HTMLElementEventMap>(
    type: K,
    run: (event: HTMLElementEventMap[K]) => void,
  ) => element.addEventListener(type, run, { signal: abort.signal, passive: false })
  let scrolled = 0

  const placeOf = ({ clientX, clientY }: MouseEvent): Place => {
    const box = element.getBoundingClientRect()
    return { x: clientX - box.left, y: clientY - box.top }
  }

  function drag(mode: Mode, from: Place, to: Place): void {
    const move = { x: to.x - from.x, y: to.y - from.y }
    if (mode === 'window') reader.dragWindow(move)
    else if (mode === 'pan') camera.panBy(move)
    else if (mode === 'zoom') camera.zoomBy(dragZoom(move.y), from)
    else {
      scrolled += move.y
      const step = pixelsPerSlice(element.clientHeight, reader.session.stack.slices.length)
      const whole = Math.trunc(scrolled / step)
      scrolled -= whole * step
      if (whole !== 0) reader.step(whole)
    }
  }

  function pinch(moved: Held, to: Place): void {
    const other = [...held.values()].find(({ id }) => id !== moved.id)
    if (other === undefined) return
    const distance = (one: Place) => Math.hypot(one.x - other.at.x, one.y - other.at.y)
    const middle = { x: (to.x + other.at.x) / 2, y: (to.y + other.at.y) / 2 }
    camera.panBy({ x: (to.x - moved.at.x) / 2, y: (to.y - moved.at.y) / 2 })
    camera.zoomBy(Math.max(distance(to), 1) / Math.max(distance(moved.at), 1), middle)
  }

  on('pointerdown', (event) => {
    const at = placeOf(event)
    element.setPointerCapture(event.pointerId)
    held.set(event.pointerId, { id: event.pointerId, at, mode: modeOf(event.button, deps.mode()) })
    scrolled = 0
    if (event.button === 1) event.preventDefault()
  })
  on('pointermove', (event) => {
    const to = placeOf(event)
    hover(event.pointerType === 'touch' ? undefined : to)
    const finger = held.get(event.pointerId)
    if (finger === undefined) return
    if (held.size > 1) pinch(finger, to)
    else drag(finger.mode, finger.at, to)
    held.set(event.pointerId, { ...finger, at: to })
  })
  const release = (event: PointerEvent) => held.delete(event.pointerId)
  on('pointerup', release)
  on('pointercancel', release)
  on('pointerleave', () => hover(undefined))
  on('contextmenu', (event) => event.preventDefault())
  on('dblclick', () => camera.fit())
  on('wheel', (event) => {
    event.preventDefault()
    if (event.ctrlKey) camera.zoomBy(Math.exp(-event.deltaY / 400), placeOf(event))
    else reader.step(wheel.slices(event))
  })
  return () => abort.abort()
}
