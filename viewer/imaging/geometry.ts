/** Where slices lie in the patient (PS3.3 C.7.6.2.1.1). All of it is plain arithmetic on arrays. */

export type Vector = readonly [number, number, number]
/** Direction cosines of the row and the column, six numbers. */
export type Orientation = readonly [number, number, number, number, number, number]

export function vectorFrom(numbers: readonly number[] | undefined): Vector | undefined {
  const [x, y, z] = numbers ?? []
  return x === undefined || y === undefined || z === undefined ? undefined : [x, y, z]
}

export function orientationFrom(numbers: readonly number[] | undefined): Orientation | undefined {
  const [a, b, c, d, e, f] = numbers ?? []
  if (a === undefined || b === undefined || c === undefined) return undefined
  if (d === undefined || e === undefined || f === undefined) return undefined
  return [a, b, c, d, e, f]
}

export function normalOf([a, b, c, d, e, f]: Orientation): Vector {
  return [b * f - c * e, c * d - a * f, a * e - b * d]
}

export const dot = (one: Vector, other: Vector): number =>
  one[0] * other[0] + one[1] * other[1] + one[2] * other[2]

/** A key that is equal for slices of one direction; scanners differ in the last digits. */
export const orientationKey = (orientation: Orientation | undefined): string =>
  orientation?.map((cosine) => cosine.toFixed(2).replace('-0.00', '0.00')).join(' ') ?? ''

/** The least distance between two slices that are different slices, in millimetres. */
const distinctMm = 1e-3

/** Distances along the normal when every slice has its own place; nothing for time series and loose images. */
export function distinctOffsets(
  positions: readonly (Vector | undefined)[],
  orientation: Orientation | undefined,
): number[] | undefined {
  if (orientation === undefined || positions.length < 2) return undefined
  const normal = normalOf(orientation)
  const offsets: number[] = []
  for (const position of positions) {
    if (position === undefined) return undefined
    offsets.push(dot(position, normal))
  }
  const sorted = offsets.toSorted((one, other) => one - other)
  const isDistinct = sorted.every(
    (offset, index) => index === 0 || offset - (sorted[index - 1] ?? 0) > distinctMm,
  )
  return isDistinct ? offsets : undefined
}

/**
 * Where the planes of a dose grid lie: so far along the normal from the first or, in older grids of transverse planes,
 * at that z of the patient (PS3.3 C.8.8.3.2). Nothing where the offsets mean neither.
 */
export function gridPlanes(
  offsets: readonly number[],
  [x, y, z]: Vector,
  orientation: Orientation,
): Vector[] | undefined {
  const [first] = offsets
  const normal = normalOf(orientation)
  const isAbsolute = first === z && normal[2] > 0.999
  if (first === undefined || (first !== 0 && !isAbsolute)) return undefined
  return offsets.map((offset) => {
    const mm = offset - first
    return [x + normal[0] * mm, y + normal[1] * mm, z + normal[2] * mm]
  })
}

export type Gaps = { spacing: number; isEven: boolean }

/** The step between slices that lie in order; an uneven one means that slices are missing. */
export function gapsOf(offsets: readonly number[]): Gaps | undefined {
  const gaps = offsets.slice(1).map((offset, index) => Math.abs(offset - (offsets[index] ?? 0)))
  if (gaps.length === 0) return undefined
  const spacing = gaps.toSorted((one, other) => one - other)[gaps.length >> 1] ?? 0
  // Five per cent and ten micrometres: rounding in decimal strings is not a missing slice.
  const isEven = gaps.every((gap) => Math.abs(gap - spacing) <= spacing * 0.05 + 0.01)
  return { spacing, isEven }
}

/**
 * Letters at the edges of the image: which way the patient lies (PS3.3 C.7.6.1.1.1). Up to two letters, the stronger
 * first, so that an oblique slice is not taken for an axial one.
 */
export function directionLetters(vector: Vector): string {
  const axes: [number, string, string][] = [
    [vector[0], 'L', 'R'],
    [vector[1], 'P', 'A'],
    [vector[2], 'H', 'F'],
  ]
  return axes
    .toSorted((one, other) => Math.abs(other[0]) - Math.abs(one[0]))
    .filter(([cosine]) => Math.abs(cosine) > 0.35)
    .slice(0, 2)
    .map(([cosine, positive, negative]) => (cosine > 0 ? positive : negative))
    .join('')
}

export type EdgeLetters = { left: string; right: string; top: string; bottom: string }

/** The letters as they stand on the screen, the flips of the reader included. */
export function edgeLetters(
  orientation: Orientation,
  { flipX, flipY }: { flipX: boolean; flipY: boolean },
): EdgeLetters {
  const [a, b, c, d, e, f] = orientation
  const right = directionLetters([a, b, c])
  const left = directionLetters([-a, -b, -c])
  const bottom = directionLetters([d, e, f])
  const top = directionLetters([-d, -e, -f])
  return {
    left: flipX ? right : left,
    right: flipX ? left : right,
    top: flipY ? bottom : top,
    bottom: flipY ? top : bottom,
  }
}
