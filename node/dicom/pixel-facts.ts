import { instanceLimits } from '#protocol/limits.ts'
import type { PixelFacts } from './data-set.ts'
import type { DicomJson } from './dicom-json.ts'

/** Pixel Data, Float Pixel Data, Double Float Pixel Data. */
export const isPixelTag = (tag: number): boolean =>
  tag === 0x7fe00010 || tag === 0x7fe00008 || tag === 0x7fe00009

/** How the pixels of one instance are laid out (PS3.3 §C.7.6.3). */
export type PixelLayout = {
  rows: number
  columns: number
  samples: number
  bitsAllocated: number
  bitsStored: number
  highBit: number
  frames: number
  photometric: string
}

/** Nothing when the attributes do not describe an image. */
export function pixelLayout(attributes: DicomJson): PixelLayout | undefined {
  const rows = numberAt(attributes, '00280010')
  const columns = numberAt(attributes, '00280011')
  const bitsAllocated = numberAt(attributes, '00280100')
  if (rows === undefined || columns === undefined || bitsAllocated === undefined) return undefined
  const bitsStored = numberAt(attributes, '00280101') ?? bitsAllocated
  const photometric = attributes['00280004']?.Value?.[0]
  return {
    rows,
    columns,
    samples: numberAt(attributes, '00280002') ?? 1,
    bitsAllocated,
    bitsStored,
    highBit: numberAt(attributes, '00280102') ?? bitsStored - 1,
    frames: framesOf(attributes),
    photometric: typeof photometric === 'string' ? photometric : '',
  }
}

/** Absent or unreadable means one frame; real files hold `1A` and empty values. */
export function framesOf(attributes: DicomJson): number {
  const value = attributes['00280008']?.Value?.[0]
  const number = typeof value === 'string' ? Number.parseInt(value, 10) : value
  return typeof number === 'number' && Number.isInteger(number) && number > 0 ? number : 1
}

/** Bits of one frame as native pixel data; chrominance of 4:2:2 and 4:2:0 is shared (PS3.3 §C.7.6.3.1.2). */
export function frameBits({
  rows,
  columns,
  samples,
  bitsAllocated,
  photometric,
}: PixelLayout): number {
  const perPixel = photometric.endsWith('_422') ? 2 : photometric.endsWith('_420') ? 1.5 : samples
  return rows * columns * perPixel * bitsAllocated
}

/** Whether the pixels cannot be what the header says (DQ-16). Without a description there is nothing to compare. */
export function isDamaged(attributes: DicomJson, pixel: PixelFacts, isVideo: boolean): boolean {
  const layout = pixelLayout(attributes)
  if (layout === undefined) return true
  const { bitsAllocated, bitsStored, highBit, frames } = layout
  if (bitsStored > bitsAllocated || highBit >= bitsAllocated) return true
  if (isUnreasonable(layout)) return true
  if (pixel.encapsulated) return isVideo ? pixel.fragments === 0 : pixel.fragments < frames
  return pixel.length * 8 < frameBits(layout) * frames
}

/** Sizes that no image has, which a decoder must never be asked for. */
export const isUnreasonable = ({ rows, columns, frames, samples }: PixelLayout): boolean =>
  Math.min(rows, columns, samples) < 1 ||
  Math.max(rows, columns) > instanceLimits.sideMax ||
  rows * columns > instanceLimits.instanceBytes ||
  frames > instanceLimits.framesMax

function numberAt(attributes: DicomJson, tag: string): number | undefined {
  const value = attributes[tag]?.Value?.[0]
  return typeof value === 'number' ? value : undefined
}
