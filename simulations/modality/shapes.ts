/** Solids of the phantoms, in millimetres: x to the patient's left, y to the back, z to the head (PS3.3 C.7.6.2.1.1). */
export type Ellipsoid = {
  center: readonly [x: number, y: number, z: number]
  radius: readonly [x: number, y: number, z: number]
  value: number
}

/** Grid of one axial slice. */
export type Slice = { size: number; spacing: number; z: number }

/** Paints a solid over the part of the slice that it covers; later solids lie over earlier ones. */
export function paintEllipsoid(pixels: Int16Array, slice: Slice, solid: Ellipsoid): void {
  const { center, radius, value } = solid
  const height = 1 - ((slice.z - center[2]) / radius[2]) ** 2
  if (height <= 0) return
  const half = slice.size / 2
  const reach = radius[1] * Math.sqrt(height)
  const first = Math.max(0, Math.ceil((center[1] - reach) / slice.spacing + half))
  const last = Math.min(slice.size - 1, Math.floor((center[1] + reach) / slice.spacing + half))
  for (let row = first; row <= last; row++) {
    const y = (row - half) * slice.spacing
    const rest = height - ((y - center[1]) / radius[1]) ** 2
    if (rest <= 0) continue
    const width = radius[0] * Math.sqrt(rest)
    const from = Math.max(0, Math.ceil((center[0] - width) / slice.spacing + half))
    const to = Math.min(slice.size - 1, Math.floor((center[0] + width) / slice.spacing + half))
    pixels.fill(value, row * slice.size + from, row * slice.size + to + 1)
  }
}

/** Length of the chord that a ray along y cuts from a solid at (x, z). */
export function chordLength({ center, radius }: Ellipsoid, x: number, z: number): number {
  const rest = 1 - ((x - center[0]) / radius[0]) ** 2 - ((z - center[2]) / radius[2]) ** 2
  return rest <= 0 ? 0 : 2 * radius[1] * Math.sqrt(rest)
}
