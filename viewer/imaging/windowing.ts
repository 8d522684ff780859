import type { Voi, Window, WindowFunction } from '#pixels/grey.ts'
import { modalityValue } from '#pixels/grey.ts'
import type { Stack } from './stacks.ts'

/** What the reader chose: the file's own window, a table of the file, the whole range, or a window of her own. */
export type WindowChoice =
  | { kind: 'file'; index: number }
  | { kind: 'table'; index: number }
  | { kind: 'auto' }
  | { kind: 'manual'; window: Window }

export type CtPreset = 'lungs' | 'bone' | 'brain' | 'mediastinum' | 'abdomen'

/** Centre and width in HU as radiologists use them. */
export const ctPresets: readonly (readonly [CtPreset, Window])[] = [
  ['lungs', { center: -600, width: 1500 }],
  ['bone', { center: 400, width: 1800 }],
  ['brain', { center: 40, width: 80 }],
  ['mediastinum', { center: 40, width: 400 }],
  ['abdomen', { center: 60, width: 360 }],
]

export function firstChoice(stack: Stack): WindowChoice {
  if (stack.slices.some((slice) => slice.windows.length > 0)) return { kind: 'file', index: 0 }
  return stack.slices.some((slice) => slice.tables.length > 0)
    ? { kind: 'table', index: 0 }
    : { kind: 'auto' }
}

/** The choice as it holds on one slice: one that has not what was chosen is shown as its file says first. */
export function choiceOn(stack: Stack, slice: number, choice: WindowChoice): WindowChoice {
  if (choice.kind === 'auto' || choice.kind === 'manual') return choice
  const { windows = [], tables = [] } = stack.slices[slice] ?? {}
  const offered = choice.kind === 'file' ? windows : tables
  if (choice.index < offered.length) return choice
  if (windows.length > 0) return { kind: 'file', index: 0 }
  return tables.length > 0 ? { kind: 'table', index: 0 } : { kind: 'auto' }
}

export type Range = { min: number; max: number } | undefined

/** The brightness rule for one slice. A file's window or table may differ from slice to slice, as MR scanners write it. */
export function voiOf(stack: Stack, slice: number, { choice: chosen, range }: Chosen): Voi {
  const own = stack.slices[slice]
  const choice = choiceOn(stack, slice, chosen)
  if (choice.kind === 'table') {
    const table = own?.tables[choice.index]
    if (table !== undefined) return { kind: 'table', table }
  }
  if (choice.kind === 'manual') {
    return { kind: 'window', window: choice.window, shape: shapeOfManual(stack) }
  }
  if (choice.kind === 'file') {
    const window = own?.windows[choice.index]
    if (own !== undefined && window !== undefined)
      return { kind: 'window', window, shape: own.shape }
  }
  return { kind: 'window', window: fullWindow(stack, slice, range), shape: 'LINEAR' }
}

export type Chosen = { choice: WindowChoice; range: Range }

/** A window drawn by hand is a plain ramp unless the file works with a sigmoid throughout. */
function shapeOfManual(stack: Stack): WindowFunction {
  if (stack.slices.every(({ shape }) => shape === 'SIGMOID')) return 'SIGMOID'
  // The plain one counts whole values: at widths of about 1 it is a threshold (PS3.3 C.11.2.1.2.1).
  return grainOf(stack) < 1 ? 'LINEAR_EXACT' : 'LINEAR'
}

/** The least by which values of a stack differ, at most 1. */
const grainOf = ({ slices }: Stack): number =>
  slices.reduce((least, { modality: { rescale, table } }) => {
    return table === undefined ? Math.min(least, Math.abs(rescale.slope)) : least
  }, 1)

/** From the least to the greatest value that the first slice has. */
export function fullWindow(stack: Stack, slice: number, range: Range): Window {
  const modality = stack.slices[slice]?.modality ?? { rescale: { slope: 1, intercept: 0 } }
  const { min, max } = range ?? storedRange(stack)
  const ends = [modalityValue(modality, min), modalityValue(modality, max)]
  const low = Math.min(...ends)
  const width = Math.max(...ends) - low + 1
  return { center: low + width / 2, width }
}

function storedRange({ format }: Stack): { min: number; max: number } {
  const span = 2 ** Math.min(format.bitsStored, 31)
  return format.signed ? { min: -span / 2, max: span / 2 - 1 } : { min: 0, max: span - 1 }
}

/** The window that a table comes nearest to, so that dragging starts from what is on the screen. */
export function windowOf(voi: Voi): Window {
  if (voi.kind === 'window') return voi.window
  const { first, values } = voi.table
  return { center: first + values.length / 2, width: values.length }
}

/** The window that dragging makes of what is on the screen, which stays as it is where nothing is dragged. */
export function handDrawn(stack: Stack, voi: Voi, move: { x: number; y: number }): Window {
  const window = windowOf(voi)
  const isPlain = voi.kind === 'window' && voi.shape === 'LINEAR'
  const { center, width } =
    isPlain && shapeOfManual(stack) === 'LINEAR_EXACT' ? exactOf(window) : window
  return draggedWindow({ center, width }, move, grainOf(stack))
}

/** The same ramp without the half steps of the plain one. */
const exactOf = ({ center, width }: Window) => ({ center: center - 0.5, width: width - 1 })

/** Dragging right widens the window, dragging down darkens; a whole viewport crosses the present width about twice. */
export function draggedWindow(window: Window, move: { x: number; y: number }, grain = 1): Window {
  const step = Math.max(window.width, 8 * grain) / 256
  return {
    center: rounded(window.center + move.y * step, step),
    width: Math.max(grain, rounded(window.width + move.x * step, step)),
  }
}

const rounded = (value: number, step: number) =>
  step >= 0.05 ? Math.round(value * 10) / 10 : value
