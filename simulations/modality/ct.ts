import type { StoreItem } from '../../node/dimse/scu.ts'
import type { Random } from '../random.ts'
import { storeItem } from './data-set.ts'
import { paintEllipsoid, type Ellipsoid, type Slice } from './shapes.ts'
import {
  createUid,
  pixelElements,
  seriesElements,
  studyElements,
  type StudyContext,
} from './study.ts'
import { createThorax } from './thorax.ts'

/** CT of a phantom with lungs, ribs, spine and nodules: one axial series. */
export function* createCt(
  context: StudyContext,
  random: Random,
  { slices = 60, size = 512 }: { slices?: number; size?: number } = {},
): Generator<StoreItem> {
  const seriesUid = createUid(random)
  const frameOfReference = createUid(random)
  const thorax = createThorax(random)
  const solids = [...thorax.solids, ...thorax.ribs]
  const spacing = 400 / size
  const thickness = 300 / slices
  const noise = createNoise(random, 11)
  for (let index = 0; index < slices; index++) {
    const slice: Slice = { size, spacing, z: 150 - index * thickness }
    const pixels = new Int16Array(size * size).fill(-1000)
    for (const layer of table) paintEllipsoid(pixels, slice, layer)
    for (const solid of solids) paintEllipsoid(pixels, slice, solid)
    blurAndNoise(pixels, size, noise(random.int(4096)))
    yield storeItem({
      ...studyElements(context),
      ...seriesElements(
        {
          modality: 'CT',
          number: 2,
          description: 'Грудная клетка 5.0 B40f',
          bodyPart: 'CHEST',
          sopClass: '1.2.840.10008.5.1.4.1.1.2',
          manufacturer: 'CAMI simulations',
          model: 'Phantom CT',
        },
        seriesUid,
      ),
      ...pixelElements(
        {
          rows: size,
          columns: size,
          bitsStored: 16,
          signed: true,
          spacing: [spacing, spacing],
          window: { center: 40, width: 400 },
        },
        pixels,
      ),
      '00080008': ['CS', ['ORIGINAL', 'PRIMARY', 'AXIAL']],
      '00080018': ['UI', createUid(random)],
      '00180050': ['DS', round(thickness)],
      '00180060': ['DS', 120],
      '00185100': ['CS', 'HFS'],
      '00200013': ['IS', index + 1],
      '00200032': ['DS', [-200, -200, slice.z].map(round)],
      '00200037': ['DS', [1, 0, 0, 0, 1, 0]],
      '00200052': ['UI', frameOfReference],
      '00201040': ['LO', ''],
      '00281050': ['DS', [40, -600]],
      '00281051': ['DS', [400, 1500]],
      '00281052': ['DS', 0],
      '00281053': ['DS', 1],
      '00281054': ['LO', 'HU'],
      '00281055': ['LO', ['Мягкие ткани', 'Лёгкие']],
    })
  }
}

/** The patient table: a thin shell below the phantom. */
const table: Ellipsoid[] = [
  { center: [0, 60, 0], radius: [230, 112, 1e6], value: -350 },
  { center: [0, 56, 0], radius: [226, 112, 1e6], value: -1000 },
]

const round = (value: number) => Math.round(value * 1000) / 1000

/** A table of noise: drawing each pixel's own would take longer than everything else. */
function createNoise(
  random: Random,
  deviation: number,
): (offset: number) => (at: number) => number {
  const table = Float32Array.from({ length: 65_536 }, () => random.normal() * deviation)
  return (offset) => (at) => table[(at * 7 + offset * 13 + (at >>> 9) * 31) & 0xffff] ?? 0
}

/** A soft edge between solids, as a reconstruction kernel leaves it, and grain over everything. */
function blurAndNoise(pixels: Int16Array, size: number, noise: (at: number) => number): void {
  let before = pixels[0] ?? 0
  for (let at = 0; at < pixels.length; at++) {
    const here = pixels[at] ?? 0
    const after = at % size === size - 1 ? here : (pixels[at + 1] ?? 0)
    pixels[at] = Math.max(-1024, (before + 2 * here + after) / 4 + noise(at))
    before = at % size === size - 1 ? (pixels[at + 1] ?? 0) : here
  }
}
