import { type Signal, signal } from '@preact/signals'
import { type CtPreset, ctPresets, firstChoice } from '../imaging/windowing.ts'
import type { Mode, Reader } from '../imaging/reader.ts'
import type { StudySession } from '../imaging/study-session.ts'
import type { Camera } from '../dwv/camera.ts'
import type { Command } from './keys.ts'

/** The study page as commands over what is on the screen; keys, buttons and menus all end here. */
export type StudyView = {
  readonly session: StudySession
  readonly mode: Signal<Mode>
  /** Where the reader looks from; there is none while no image is on the screen. */
  readonly camera: Signal<ViewCamera | undefined>
  readonly zoom: Signal<number>
  readonly isHelpOpen: Signal<boolean>
  readonly isRailOpen: Signal<boolean>
  run: (command: Command) => void
}

export type ViewCamera = Pick<Camera, 'zoomBy' | 'panBy' | 'fit' | 'actualSize'> & {
  /** The middle of the viewport, in CSS pixels. */
  middle: () => { x: number; y: number }
}

const zoomStep = 1.25
const panStep = 48
const windowStep = 16

export function createStudyView(session: StudySession, leave: () => void): StudyView {
  const mode = signal<Mode>('window')
  const camera = signal<ViewCamera | undefined>(undefined)
  const isHelpOpen = signal(false)
  const isRailOpen = signal(true)
  const page: { [C in Command]?: () => void } = {
    modeWindow: () => (mode.value = 'window'),
    modePan: () => (mode.value = 'pan'),
    modeZoom: () => (mode.value = 'zoom'),
    modeScroll: () => (mode.value = 'scroll'),
    seriesNext: () => session.turn(1),
    seriesPrevious: () => session.turn(-1),
    rail: () => (isRailOpen.value = !isRailOpen.value),
    help: () => (isHelpOpen.value = !isHelpOpen.value),
    back: leave,
  }
  return {
    session,
    mode,
    camera,
    zoom: signal(1),
    isHelpOpen,
    isRailOpen,
    run(command) {
      const one = page[command]
      if (one !== undefined) return one()
      const reader = session.active.value
      if (reader === undefined) return undefined
      runOnReader(command, reader)
      runOnCamera(command, camera.value)
      return undefined
    },
  }
}

function runOnReader(command: Command, reader: Reader): void {
  const last = reader.session.stack.slices.length - 1
  const commands: { [C in Command]?: () => void } = {
    sliceNext: () => reader.step(1),
    slicePrevious: () => reader.step(-1),
    sliceNextTen: () => reader.step(10),
    slicePreviousTen: () => reader.step(-10),
    sliceFirst: () => reader.go(0),
    sliceLast: () => reader.go(last),
    presetLungs: () => choosePreset(reader, 'lungs'),
    presetBone: () => choosePreset(reader, 'bone'),
    presetBrain: () => choosePreset(reader, 'brain'),
    presetMediastinum: () => choosePreset(reader, 'mediastinum'),
    presetAbdomen: () => choosePreset(reader, 'abdomen'),
    windowFile: () => (reader.choice.value = firstChoice(reader.session.stack)),
    windowAuto: () => (reader.choice.value = { kind: 'auto' }),
    windowWider: () => reader.dragWindow({ x: windowStep, y: 0 }),
    windowNarrower: () => reader.dragWindow({ x: -windowStep, y: 0 }),
    windowUp: () => reader.dragWindow({ x: 0, y: -windowStep }),
    windowDown: () => reader.dragWindow({ x: 0, y: windowStep }),
    invert: () => (reader.inverted.value = !reader.inverted.value),
    flipX: () => (reader.flipX.value = !reader.flipX.value),
    flipY: () => (reader.flipY.value = !reader.flipY.value),
    reset: () => reader.reset(),
    play: () => (reader.isPlaying.value = last > 0 && !reader.isPlaying.value),
    slower: () => (reader.frameRate.value = Math.max(1, reader.frameRate.value - 1)),
    faster: () => (reader.frameRate.value = Math.min(60, reader.frameRate.value + 1)),
  }
  commands[command]?.()
}

/** Presets in HU mean nothing on other modalities. */
function choosePreset(reader: Reader, name: CtPreset): void {
  if (reader.session.stack.modality !== 'CT') return
  const preset = ctPresets.find(([known]) => known === name)
  if (preset !== undefined) reader.choice.value = { kind: 'manual', window: preset[1] }
}

function runOnCamera(command: Command, camera: ViewCamera | undefined): void {
  if (camera === undefined) return
  const commands: { [C in Command]?: () => void } = {
    fit: () => camera.fit(),
    reset: () => camera.fit(),
    actual: () => camera.actualSize(),
    zoomIn: () => camera.zoomBy(zoomStep, camera.middle()),
    zoomOut: () => camera.zoomBy(1 / zoomStep, camera.middle()),
    panLeft: () => camera.panBy({ x: -panStep, y: 0 }),
    panRight: () => camera.panBy({ x: panStep, y: 0 }),
    panUp: () => camera.panBy({ x: 0, y: -panStep }),
    panDown: () => camera.panBy({ x: 0, y: panStep }),
  }
  commands[command]?.()
}
