/** No device has such pixels; a header that says more is wrong, and nothing need be as large as it would make it. */
const aspectMax = 1000

/**
 * Height of a pixel by its width, of the first pair that says one; square without any. Spacings come before Pixel
 * Aspect Ratio, and all name the vertical first (PS3.3 §10.7.1.3, §C.7.6.3.1.7).
 */
export function aspectOf(...pairs: readonly (readonly number[] | undefined)[]): number {
  for (const pair of pairs) {
    const [vertical = 0, horizontal = 0] = pair ?? []
    const aspect = vertical / horizontal
    const isShape = vertical > 0 && horizontal > 0 && aspect <= aspectMax && aspect >= 1 / aspectMax
    if (isShape) return aspect
  }
  return 1
}
