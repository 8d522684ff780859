import type { PixelFormat } from '#pixels/pixel-format.ts'

/** How a decoded frame lies in memory: grey samples as stored, or colour as 8-bit RGB by pixel. */
export type ShownFormat = { samples: 1 | 3; bitsAllocated: 8 | 16 | 32; signed: boolean }

export function shownFormat(format: PixelFormat): ShownFormat {
  const isColour = format.samples === 3 || format.photometric === 'PALETTE COLOR'
  if (isColour) return { samples: 3, bitsAllocated: 8, signed: false }
  const bitsAllocated = format.bitsAllocated <= 8 ? 8 : format.bitsAllocated <= 16 ? 16 : 32
  return { samples: 1, bitsAllocated, signed: format.signed }
}

/** Samples of one shown frame. */
export const frameLength = (format: PixelFormat): number =>
  format.rows * format.columns * shownFormat(format).samples

/** Memory that one shown frame takes. */
export const frameBytes = (format: PixelFormat): number =>
  (frameLength(format) * shownFormat(format).bitsAllocated) / 8
