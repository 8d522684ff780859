import type { Samples } from '#pixels/bits.ts'
import { greyLevel, type Voi } from '#pixels/grey.ts'
import { shownFormat } from './pixel-format.ts'
import type { Stack } from './stacks.ts'

/** A small picture of a slice, RGBA. */
export type Thumbnail = { width: number; height: number; pixels: Uint8ClampedArray<ArrayBuffer> }

const sideMax = 120

/** Takes every n-th sample: at this size the eye cannot tell it from an average. `first` is where the slice begins. */
export function thumbnailOf(
  stack: Stack,
  slice: number,
  { samples, first, voi }: { samples: Samples; first: number; voi: Voi },
): Thumbnail {
  const { aspect } = stack
  const { columns, rows, photometric } = stack.format
  const scale = Math.min(1, sideMax / columns, sideMax / (rows * aspect))
  const width = Math.max(1, Math.round(columns * scale))
  const height = Math.max(1, Math.round(rows * aspect * scale))
  const modality = stack.slices[slice]?.modality ?? { rescale: { slope: 1, intercept: 0 } }
  const grey = { modality, voi, inverted: photometric === 'MONOCHROME1' }
  const components = shownFormat(stack.format).samples
  const pixels = new Uint8ClampedArray(width * height * 4)
  for (let at = 0; at < width * height; at++) {
    const column = Math.floor((((at % width) + 0.5) * columns) / width)
    const row = Math.floor(((Math.floor(at / width) + 0.5) * rows) / height)
    const from = first + (row * columns + column) * components
    const level = components === 1 ? greyLevel(grey, samples[from] ?? 0) : 0
    pixels[at * 4] = components === 1 ? level : (samples[from] ?? 0)
    pixels[at * 4 + 1] = components === 1 ? level : (samples[from + 1] ?? 0)
    pixels[at * 4 + 2] = components === 1 ? level : (samples[from + 2] ?? 0)
    pixels[at * 4 + 3] = 255
  }
  return { width, height, pixels }
}
