import type { LookUp, Rescale, Window, WindowFunction } from '#pixels/grey.ts'
import type { DicomJson } from '../dicom-json.ts'
import { bytesOf, itemsOf, numberOf, numbersOf, textOf } from './attributes.ts'

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
    return [{ name: textOf(item, '00283003') ?? '', first: start, bits, values }]
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
