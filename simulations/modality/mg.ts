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

const rows = 1536
const columns = 1152
const millimetres = 0.14

const views = [
  { side: 'R', view: 'CC', code: 'R-10242', meaning: 'cranio-caudal' },
  { side: 'L', view: 'CC', code: 'R-10242', meaning: 'cranio-caudal' },
  { side: 'R', view: 'MLO', code: 'R-10226', meaning: 'medio-lateral oblique' },
  { side: 'L', view: 'MLO', code: 'R-10226', meaning: 'medio-lateral oblique' },
] as const

/** Mammogram of a phantom in the four standard views, a mass and microcalcifications on one side. */
export function* createMg(context: StudyContext, random: Random): Generator<StoreItem> {
  const suspicious = random.pick(['R', 'L'] as const)
  for (const [index, { side, view, code, meaning }] of views.entries()) {
    const pixels = paintBreast(random, {
      side,
      oblique: view === 'MLO',
      isIll: side === suspicious,
    })
    yield storeItem({
      ...studyElements(context),
      ...seriesElements(
        {
          modality: 'MG',
          number: index + 1,
          description: `${side} ${view}`,
          bodyPart: 'BREAST',
          sopClass: '1.2.840.10008.5.1.4.1.1.1.2',
          manufacturer: 'CAMI simulations',
          model: 'Phantom MG',
        },
        createUid(random),
      ),
      ...pixelElements(
        { rows, columns, bitsStored: 12, window: { center: 1800, width: 3200 } },
        pixels,
      ),
      '00080008': ['CS', ['ORIGINAL', 'PRIMARY']],
      '00080018': ['UI', createUid(random)],
      '00080068': ['CS', 'FOR PRESENTATION'],
      '00181164': ['DS', [millimetres, millimetres]],
      '00185101': ['CS', view],
      '00200013': ['IS', 1],
      '00200020': ['CS', side === 'R' ? ['P', 'L'] : ['A', 'R']],
      '00200062': ['CS', side],
      '00281040': ['CS', 'LOG'],
      '00281041': ['SS', 1],
      '00281052': ['DS', 0],
      '00281053': ['DS', 1],
      '00281054': ['LO', 'US'],
      '00282110': ['CS', '00'],
      '00540220': [
        'SQ',
        [{ '00080100': ['SH', code], '00080102': ['SH', 'SNM3'], '00080104': ['LO', meaning] }],
      ],
    })
  }
}

type View = { side: 'R' | 'L'; oblique: boolean; isIll: boolean }

function paintBreast(random: Random, { side, oblique, isIll }: View): Uint16Array {
  const pixels = new Uint16Array(rows * columns)
  const texture = createTexture(random)
  const mass = { x: 380 + random.int(160), y: 620 + random.int(260), radius: 46 + random.int(24) }
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      // Distance from the chest wall, which a right breast has on its right.
      const x = side === 'R' ? columns - 1 - column : column
      const edge = Math.hypot(x / 860, (row - rows / 2) / 660)
      const muscle = oblique ? 520 - x * 1.1 - row * 0.72 : -1
      if (edge > 1 && muscle < 0) continue
      const thickness = Math.min(1, Math.sqrt(Math.max(0, 1 - edge ** 2)) * 1.5)
      const gland =
        texture(x, row) * Math.max(0, 1 - Math.hypot((x - 420) / 420, (row - 760) / 430))
      let value =
        900 * thickness +
        1900 * gland * thickness +
        (muscle > 0 ? Math.min(1300, 260 + muscle * 7) : 0)
      if (isIll) value += 1200 * spicule(x - mass.x, row - mass.y, mass.radius)
      pixels[row * columns + column] = Math.max(0, Math.min(4095, value + random.normal() * 22))
    }
  }
  if (isIll) scatterCalcium(pixels, random, { side, ...mass })
  return pixels
}

/** A dense core with rays: what a reader looks for. */
function spicule(x: number, y: number, radius: number): number {
  const away = Math.hypot(x, y) / radius
  if (away > 2.4) return 0
  const turn = Math.atan2(y, x)
  const rays = 0.5 + 0.25 * Math.sin(turn * 7) + 0.25 * Math.sin(turn * 12 + 1)
  return (
    0.8 * Math.exp(-(away ** 4) * 1.6) + 0.28 * rays * Math.exp(-away * 1.3) * Math.min(1, away)
  )
}

function scatterCalcium(
  pixels: Uint16Array,
  random: Random,
  { side, x, y }: { side: 'R' | 'L'; x: number; y: number },
): void {
  for (let i = 0; i < 26; i++) {
    const at = x + 90 + Math.round(random.normal() * 26)
    const column = side === 'R' ? columns - 1 - at : at
    const row = y - 70 + Math.round(random.normal() * 26)
    for (let dy = 0; dy < 2; dy++) {
      pixels.fill(3900, (row + dy) * columns + column, (row + dy) * columns + column + 2)
    }
  }
}

/** Smooth value noise of three octaves in [0, 1]. */
function createTexture(random: Random): (x: number, y: number) => number {
  const lattice = Float32Array.from({ length: 4096 }, () => random.next())
  const knot = (x: number, y: number) => lattice[(x * 57 + y * 131) & 4095] ?? 0
  const octave = (x: number, y: number) => {
    const [left, top] = [Math.floor(x), Math.floor(y)]
    const [u, v] = [smooth(x - left), smooth(y - top)]
    const upper = knot(left, top) * (1 - u) + knot(left + 1, top) * u
    const lower = knot(left, top + 1) * (1 - u) + knot(left + 1, top + 1) * u
    return upper * (1 - v) + lower * v
  }
  return (x, y) =>
    0.55 * octave(x / 120, y / 120) + 0.3 * octave(x / 45, y / 45) + 0.15 * octave(x / 14, y / 14)
}

const smooth = (t: number) => t * t * (3 - 2 * t)
