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

type Weighting = 'T1' | 'T2'
type Tissue = 'fat' | 'bone' | 'csf' | 'grey' | 'white' | 'lesion'
const signal: Record<Weighting, Record<Tissue, number>> = {
  T1: { fat: 900, bone: 60, csf: 170, grey: 430, white: 610, lesion: 300 },
  T2: { fat: 700, bone: 50, csf: 1100, grey: 560, white: 380, lesion: 940 },
}
const size = 256
const spacing = 0.9
const thickness = 5

/** MR of a head phantom: the same anatomy, weighted twice. */
export function* createMr(
  context: StudyContext,
  random: Random,
  { slices = 22 }: { slices?: number } = {},
): Generator<StoreItem> {
  const frameOfReference = createUid(random)
  const lesion: Ellipsoid['center'] = [-28 + random.int(56), -20 + random.int(36), 10]
  for (const [number, weighting] of (['T1', 'T2'] as const).entries()) {
    const seriesUid = createUid(random)
    for (let index = 0; index < slices; index++) {
      const z = 55 - index * thickness
      const pixels = paintHead({ size, spacing, z }, weighting, lesion)
      for (let at = 0; at < pixels.length; at++) {
        pixels[at] = Math.max(0, (pixels[at] ?? 0) + random.normal() * 14)
      }
      yield storeItem({
        ...studyElements(context),
        ...seriesElements(
          {
            modality: 'MR',
            number: number + 1,
            description: `${weighting}-ВИ аксиально`,
            bodyPart: 'HEAD',
            sopClass: '1.2.840.10008.5.1.4.1.1.4',
            manufacturer: 'CAMI simulations',
            model: 'Phantom MR',
          },
          seriesUid,
        ),
        ...pixelElements(
          {
            rows: size,
            columns: size,
            bitsStored: 12,
            spacing: [spacing, spacing],
            window: { center: 550, width: 1100 },
          },
          pixels,
        ),
        '00080008': ['CS', ['ORIGINAL', 'PRIMARY', 'M', 'NONE']],
        '00080018': ['UI', createUid(random)],
        '00180020': ['CS', 'SE'],
        '00180021': ['CS', 'NONE'],
        '00180022': ['CS', ''],
        '00180023': ['CS', '2D'],
        '00180050': ['DS', thickness],
        '00180080': ['DS', weighting === 'T1' ? 500 : 4200],
        '00180081': ['DS', weighting === 'T1' ? 12 : 96],
        '00180087': ['DS', 1.5],
        '00180091': ['IS', 1],
        '00185100': ['CS', 'HFS'],
        '00200013': ['IS', index + 1],
        '00200032': ['DS', [-size, -size, 0].map((half) => half * spacing * 0.5).with(2, z)],
        '00200037': ['DS', [1, 0, 0, 0, 1, 0]],
        '00200052': ['UI', frameOfReference],
        '00201040': ['LO', ''],
      })
    }
  }
}

function paintHead(slice: Slice, weighting: Weighting, lesion: Ellipsoid['center']): Int16Array {
  const pixels = new Int16Array(slice.size * slice.size)
  const paint = (tissue: Tissue, center: Ellipsoid['center'], radius: Ellipsoid['radius']) =>
    paintEllipsoid(pixels, slice, { center, radius, value: signal[weighting][tissue] })
  paint('fat', [0, 0, -10], [76, 94, 92])
  paint('bone', [0, 0, -10], [71, 89, 86])
  paint('csf', [0, 0, -10], [66, 84, 81])
  paint('grey', [0, 0, -10], [63.5, 81.5, 78])
  foldCortex(pixels, slice, weighting)
  paint('white', [-27, 0, -8], [26, 66, 58])
  paint('white', [27, 0, -8], [26, 66, 58])
  paint('white', [0, 10, -8], [22, 40, 40])
  paint('grey', [-22, 4, -2], [11, 17, 16])
  paint('grey', [22, 4, -2], [11, 17, 16])
  paint('csf', [-10, -14, 6], [6, 24, 16])
  paint('csf', [10, -14, 6], [6, 24, 16])
  paint('csf', [-14, 28, 4], [6, 16, 12])
  paint('csf', [14, 28, 4], [6, 16, 12])
  paint('csf', [0, 4, -8], [2, 14, 14])
  paint('csf', [0, -42, 20], [1.2, 40, 60])
  paint('lesion', lesion, [7, 6, 8])
  return pixels
}

/** Sulci: lines of fluid from the rim inwards. */
function foldCortex(pixels: Int16Array, slice: Slice, weighting: Weighting): void {
  const half = slice.size / 2
  const height = 1 - ((slice.z + 10) / 78) ** 2
  if (height <= 0) return
  for (let at = 0; at < pixels.length; at++) {
    const x = ((at % slice.size) - half) * slice.spacing
    const y = (Math.floor(at / slice.size) - half) * slice.spacing
    const depth = Math.sqrt((x / 63.5) ** 2 + (y / 81.5) ** 2) / Math.sqrt(height)
    if (depth > 1 || depth < 0.6) continue
    const turn = Math.atan2(y, x)
    const fold = Math.sin(turn * 23 + 3 * Math.sin(turn * 5 + slice.z / 9) + depth * 5)
    if (fold > 0.86) pixels[at] = signal[weighting].csf
    else if (depth < 0.86) pixels[at] = signal[weighting].white
  }
}
