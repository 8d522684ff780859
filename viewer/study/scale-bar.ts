const lengths = [1, 2, 5, 10, 20, 50, 100, 200, 500] as const
const pixelsMax = 160

/** The longest round length that fits beside the image at this many CSS pixels per millimetre. */
export function scaleBar(pixelsPerMm: number): { mm: number; pixels: number } {
  const mm = lengths.findLast((length) => length * pixelsPerMm <= pixelsMax) ?? 1
  return { mm, pixels: Math.round(mm * pixelsPerMm) }
}
