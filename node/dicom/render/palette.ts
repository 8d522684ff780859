import type { Palette } from '#pixels/colour.ts'
import type { DicomJson } from '../dicom-json.ts'
import { numbersOf } from './attributes.ts'
import { tableValues } from './lut.ts'

/** The Palette Color Look-up Tables of an image (PS3.3 C.7.9), brought to 8 bits. */
export function paletteOf(attributes: DicomJson, signed: boolean): Palette | undefined {
  const [entries, first, bits] = numbersOf(attributes, '00281101') ?? []
  if (entries === undefined || first === undefined || bits === undefined) return undefined
  const count = entries === 0 ? 65_536 : entries
  const red = channel(attributes, '00281201', { count, bits })
  const green = channel(attributes, '00281202', { count, bits })
  const blue = channel(attributes, '00281203', { count, bits })
  if (red === undefined || green === undefined || blue === undefined) return undefined
  return { first: signed && first > 32_767 ? first - 65_536 : first, red, green, blue }
}

function channel(
  attributes: DicomJson,
  tag: string,
  { count, bits }: { count: number; bits: number },
): Uint8Array | undefined {
  const values = tableValues(attributes, tag, count)
  if (values === undefined) return undefined
  let widest = 0
  for (let at = 0; at < values.length; at++) widest = Math.max(widest, values[at] ?? 0)
  // Some writers state 16 bits and fill only the low byte; shifting those away would show black.
  const shift = bits > 8 && widest > 255 ? 8 : 0
  return Uint8Array.from({ length: values.length }, (_, at) => (values[at] ?? 0) >> shift)
}
