import type { DicomJson } from '../dicom-json.ts'
import { bytesOf, itemsOf, numberOf, numbersOf, textOf } from './attributes.ts'

/** From stored values to grey levels: Modality LUT, then VOI LUT or window (PS3.3 §C.11.1, §C.11.2; PS3.4 §N.2). */
export type Window = { center: number; width: number }
export type WindowFunction = 'LINEAR' | 'LINEAR_EXACT' | 'SIGMOID'
export type Rescale = { slope: number; intercept: number }

/** A look-up table of DICOM: entries for input values `first`, `first + 1`, … */
export type LookUp = { first: number; bits: number; values: ArrayLike<number> }

/** What turns stored values into modality values: a table where the file has one, else slope and intercept. */
export type Modality = { rescale: Rescale; table?: LookUp | undefined }

/** What turns modality values into brightness. */
export type Voi =
  | { kind: 'window'; window: Window; shape: WindowFunction }
  | { kind: 'table'; table: LookUp }

export function modalityValue({ rescale, table }: Modality, stored: number): number {
  if (table === undefined) return stored * rescale.slope + rescale.intercept
  return lookUp(table, stored)
}

/** Values beyond either end take the nearest entry (PS3.3 C.11.1.1.1). */
export function lookUp({ first, values }: LookUp, input: number): number {
  const entry = Math.min(Math.max(Math.round(input) - first, 0), values.length - 1)
  return values[entry] ?? 0
}

/** Brightness from 0 to 255, not yet rounded. */
export function brightness(voi: Voi, value: number): number {
  if (voi.kind === 'table') {
    return (lookUp(voi.table, value) / (2 ** voi.table.bits - 1)) * 255
  }
  const { center, width } = voi.window
  if (voi.shape === 'SIGMOID') return 255 / (1 + Math.exp((-4 * (value - center)) / width))
  if (voi.shape === 'LINEAR_EXACT') return ((value - center) / width + 0.5) * 255
  // A width of 1 is a threshold (PS3.3 C.11.2.1.2.1): the divisor must not be zero.
  return ((value - (center - 0.5)) / Math.max(width - 1, 1e-6) + 0.5) * 255
}

export type Grey = { modality: Modality; voi: Voi; inverted: boolean }

export function greyLevel({ modality, voi, inverted }: Grey, stored: number): number {
  const level = brightness(voi, modalityValue(modality, stored))
  const bounded = level > 0 ? Math.min(255, Math.round(level)) : 0
  return inverted ? 255 - bounded : bounded
}

export function windowsOf(attributes: DicomJson | undefined): Window[] {
  const centers = numbersOf(attributes, '00281050') ?? []
  const widths = numbersOf(attributes, '00281051') ?? []
  return centers.flatMap((center, index) => {
    const width = widths[index]
    return width === undefined || width <= 0 ? [] : [{ center, width }]
  })
}

export function windowFunctionOf(attributes: DicomJson | undefined): WindowFunction {
  const name = textOf(attributes, '00281056')
  return name === 'SIGMOID' || name === 'LINEAR_EXACT' ? name : 'LINEAR'
}

export function rescaleOf(attributes: DicomJson | undefined): Rescale | undefined {
  const slope = numberOf(attributes, '00281053')
  const intercept = numberOf(attributes, '00281052')
  if (slope === undefined && intercept === undefined) return undefined
  // A slope of zero would make every image blank; files that have it mean "no rescale".
  return { slope: slope === undefined || slope === 0 ? 1 : slope, intercept: intercept ?? 0 }
}

/** Tables of a Modality LUT or VOI LUT Sequence. `signed` is how the first mapped value is to be read. */
export function tablesOf(attributes: DicomJson, sequence: string, signed: boolean): LookUp[] {
  return itemsOf(attributes, sequence).flatMap((item) => {
    const descriptor = numbersOf(item, '00283002')
    const [entries, first, bits] = descriptor ?? []
    if (entries === undefined || first === undefined || bits === undefined) return []
    const values = tableValues(item, '00283006', entries === 0 ? 65_536 : entries)
    if (values === undefined) return []
    const start = signed && first > 32_767 ? first - 65_536 : first
    return [{ first: start, bits, values }]
  })
}

/** Entries of a table, whichever way its value is written: numbers, 16-bit words, or bytes. */
export function tableValues(
  attributes: DicomJson,
  tag: string,
  entries: number,
): ArrayLike<number> | undefined {
  const numbers = numbersOf(attributes, tag)
  if (numbers !== undefined) return numbers.slice(0, entries)
  const bytes = bytesOf(attributes, tag)
  if (bytes === undefined || bytes.length < entries) return undefined
  if (bytes.length < entries * 2) return bytes.subarray(0, entries)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return Uint16Array.from({ length: entries }, (_, index) => view.getUint16(index * 2, true))
}
