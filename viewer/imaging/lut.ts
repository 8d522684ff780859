import {
  type Grey,
  greyLevel,
  type LookUp,
  type Rescale,
  type Window,
  type WindowFunction,
} from '#pixels/grey.ts'
import {
  type Attributes,
  bytesOf,
  itemsOf,
  numberOf,
  numbersOf,
  textOf,
  textsOf,
} from '../api/dicom-json.ts'

export type NamedWindow = Window & { name: string }

/** Opaque pixels for all 16-bit patterns of a sample, in the byte order of a canvas. One table per window is cheaper
 * than arithmetic per pixel as long as samples have at most 16 bits. */
export function greyTable(grey: Grey, signed: boolean): Uint32Array<ArrayBuffer> {
  const table = new Uint32Array(65_536)
  for (let pattern = 0; pattern < 65_536; pattern++) {
    table[pattern] = pixelOf(
      greyLevel(grey, signed && pattern > 32_767 ? pattern - 65_536 : pattern),
    )
  }
  return table
}

/** Little-endian RGBA; every browser platform is little endian. */
export const pixelOf = (level: number): number =>
  (0xff000000 | (level << 16) | (level << 8) | level) >>> 0

export function windowsOf(attributes: Attributes | undefined): NamedWindow[] {
  const centers = numbersOf(attributes, '00281050') ?? []
  const widths = numbersOf(attributes, '00281051') ?? []
  const names = textsOf(attributes, '00281055')
  return centers.flatMap((center, index) => {
    const width = widths[index]
    return width === undefined || width <= 0 ? [] : [{ center, width, name: names[index] ?? '' }]
  })
}

export function windowFunctionOf(attributes: Attributes | undefined): WindowFunction {
  const name = textOf(attributes, '00281056')
  return name === 'SIGMOID' || name === 'LINEAR_EXACT' ? name : 'LINEAR'
}

export function rescaleOf(attributes: Attributes | undefined): Rescale | undefined {
  const slope = numberOf(attributes, '00281053')
  const intercept = numberOf(attributes, '00281052')
  if (slope === undefined && intercept === undefined) return undefined
  // A slope of zero would make every image blank; files that have it mean "no rescale".
  return { slope: slope === undefined || slope === 0 ? 1 : slope, intercept: intercept ?? 0 }
}

/** A dose grid has a factor of its own in place of a rescale (PS3.3 C.8.8.3). */
export function doseScalingOf(attributes: Attributes): Rescale | undefined {
  const slope = numberOf(attributes, '3004000E')
  return slope === undefined || slope <= 0 ? undefined : { slope, intercept: 0 }
}

/** Tables of a Modality LUT or VOI LUT Sequence. `signed` is how the first mapped value is to be read. */
export function tablesOf(
  attributes: Attributes | undefined,
  sequence: string,
  signed: boolean,
): LookUp[] {
  return itemsOf(attributes, sequence).flatMap((item) => {
    const descriptor = numbersOf(item, '00283002')
    const [entries, first, bits] = descriptor ?? []
    if (entries === undefined || first === undefined || bits === undefined) return []
    const values = tableValues(item, '00283006', entries === 0 ? 65_536 : entries)
    if (values === undefined) return []
    const start = signed && first > 32_767 ? first - 65_536 : first
    return [{ name: textOf(item, '00283003') ?? '', first: start, bits, values }]
  })
}

/** Entries of a table, whichever way its value is written: numbers, 16-bit words, or bytes. */
export function tableValues(
  attributes: Attributes,
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
