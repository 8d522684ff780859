import type { StoreItem } from '../../node/dimse/scu.ts'
import type { Random } from '../random.ts'
import { storeItem } from './data-set.ts'
import {
  createUid,
  pixelElements,
  seriesElements,
  studyElements,
  type StudyContext,
} from './study.ts'

const rows = 360
const columns = 480
const apex = { x: columns / 2, y: 14 }
const depth = 330
const opening = 0.62

/** Ultrasound clip in colour: a beating chamber in a sector of speckle, with a box of Doppler flow. */
export function createUs(
  context: StudyContext,
  random: Random,
  { frames = 24 }: { frames?: number } = {},
): StoreItem {
  const pixels = new Uint8Array(frames * rows * columns * 3)
  const speckle = Float32Array.from({ length: 65_536 }, () => Math.abs(random.normal()))
  for (let frame = 0; frame < frames; frame++) paintFrame(pixels, frame, { frames, speckle })
  return storeItem({
    ...studyElements(context),
    ...seriesElements(
      {
        modality: 'US',
        number: 1,
        description: 'ЭхоКГ, цветовой доплер',
        bodyPart: 'HEART',
        sopClass: '1.2.840.10008.5.1.4.1.1.3.1',
        manufacturer: 'CAMI simulations',
        model: 'Phantom US',
      },
      createUid(random),
    ),
    ...pixelElements(
      { rows, columns, bitsStored: 8, samples: 3, photometric: 'RGB', frames },
      pixels,
    ),
    '00080008': ['CS', ['ORIGINAL', 'PRIMARY', '', '0001']],
    '00080018': ['UI', createUid(random)],
    '00082144': ['IS', 24],
    '00181063': ['DS', 41.7],
    '00200013': ['IS', 1],
    '00280009': ['AT', Uint8Array.from([0x18, 0, 0x63, 0x10])],
    '00186011': [
      'SQ',
      [
        {
          '00186012': ['US', 1],
          '00186014': ['US', 2],
          '00186016': ['UL', 0],
          '00186018': ['UL', 0],
          '0018601A': ['UL', 0],
          '0018601C': ['UL', columns - 1],
          '0018601E': ['UL', rows - 1],
          '00186024': ['US', 3],
          '00186026': ['US', 3],
          '0018602C': ['FD', 0.05],
          '0018602E': ['FD', 0.05],
        },
      ],
    ],
  })
}

type Clip = { frames: number; speckle: Float32Array }

function paintFrame(pixels: Uint8Array, frame: number, { frames, speckle }: Clip): void {
  const beat = Math.sin((2 * Math.PI * frame) / frames)
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const x = column - apex.x
      const y = row - apex.y
      const range = Math.hypot(x, y)
      if (range > depth || range < 6 || Math.abs(Math.atan2(x, y)) > opening) continue
      const at = ((frame * rows + row) * columns + column) * 3
      const grain = speckle[(row * 977 + column * 331 + (frame >> 1) * 53) & 0xffff] ?? 0
      const [red, green, blue] = tint(x, y, beat, grain * (1 - range / (1.6 * depth)))
      pixels[at] = red
      pixels[at + 1] = green
      pixels[at + 2] = blue
    }
  }
}

/** The chamber's fluid is dark, its wall bright; flow towards the probe is red, away from it blue. */
function tint(x: number, y: number, beat: number, grain: number): [number, number, number] {
  const chamber = Math.hypot((x + 12) / (58 + 9 * beat), (y - 168) / (84 + 12 * beat))
  const isWall = chamber > 0.94 && chamber < 1.16
  const grey = clamp(chamber < 0.94 ? 8 * grain : (isWall ? 150 : 62) * (0.35 + grain))
  const inBox = Math.abs(x + 12) < 44 && y > 190 && y < 262
  const flow = chamber < 0.94 && inBox ? beat * (1 - chamber) * 1.7 : 0
  if (Math.abs(flow) < 0.08) return [grey, grey, grey]
  const strength = clamp(90 + 260 * Math.abs(flow) * (0.6 + 0.3 * grain))
  return flow > 0 ? [strength, clamp(strength - 120), 10] : [10, clamp(strength - 110), strength]
}

const clamp = (value: number) => Math.max(0, Math.min(255, Math.round(value)))
