import type { PixelFormat } from '#pixels/pixel-format.ts'
import type { DicomJson } from '../dicom-json.ts'
import { pixelLayout } from '../pixel-facts.ts'

/** Nothing when the attributes describe no image of whole numbers. */
export function pixelFormat(attributes: DicomJson): PixelFormat | undefined {
  const layout = pixelLayout(attributes)
  if (layout === undefined) return undefined
  const { rows, columns, samples, bitsAllocated, bitsStored, photometric } = layout
  const isOne = (tag: string) => attributes[tag]?.Value?.[0] === 1
  return {
    rows,
    columns,
    samples,
    bitsAllocated,
    bitsStored,
    signed: isOne('00280103'),
    planar: isOne('00280006'),
    photometric: photometric === '' ? 'MONOCHROME2' : photometric,
  }
}

/** Bytes of one sample in memory; single bits take one each. */
export const sampleBytes = ({ bitsAllocated }: Pick<PixelFormat, 'bitsAllocated'>): number =>
  bitsAllocated <= 8 ? 1 : bitsAllocated <= 16 ? 2 : 4

/** Memory that one decoded frame takes. */
export const frameBytes = (format: PixelFormat): number =>
  format.rows * format.columns * format.samples * sampleBytes(format)
