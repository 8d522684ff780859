import type { StoreItem } from '../../node/dimse/scu.ts'
import type { Random } from '../random.ts'
import { storeItem } from './data-set.ts'
import { chordLength, type Ellipsoid } from './shapes.ts'
import {
  createUid,
  pixelElements,
  seriesElements,
  studyElements,
  type StudyContext,
} from './study.ts'
import { createThorax } from './thorax.ts'

const columns = 1024
const rows = 1152
const millimetres = 0.36

/** Digital radiograph of the chest: the same thorax, looked through from the back. */
export function createDx(context: StudyContext, random: Random): StoreItem {
  const pixels = project(random)
  return storeItem({
    ...studyElements(context),
    ...seriesElements(
      {
        modality: 'DX',
        number: 1,
        description: 'Обзорная рентгенограмма ОГК',
        bodyPart: 'CHEST',
        sopClass: '1.2.840.10008.5.1.4.1.1.1.1',
        manufacturer: 'CAMI simulations',
        model: 'Phantom DX',
      },
      createUid(random),
    ),
    ...pixelElements(
      { rows, columns, bitsStored: 12, window: { center: 2000, width: 3400 } },
      pixels,
    ),
    '00080008': ['CS', ['ORIGINAL', 'PRIMARY']],
    '00080018': ['UI', createUid(random)],
    '00080068': ['CS', 'FOR PRESENTATION'],
    '00181164': ['DS', [millimetres, millimetres]],
    '00185101': ['CS', 'PA'],
    '00200013': ['IS', 1],
    '00200020': ['CS', ['L', 'F']],
    '00281040': ['CS', 'LOG'],
    '00281041': ['SS', 1],
    '00281052': ['DS', 0],
    '00281053': ['DS', 1],
    '00281054': ['LO', 'US'],
    '00282110': ['CS', '00'],
  })
}

/** Attenuation along y, every solid counted by how much denser it is than what it lies in. */
function project(random: Random): Uint16Array {
  const { solids, ribs, nodules } = createThorax(random)
  const [skin, body, ...organs] = solids
  const path = new Float32Array(rows * columns)
  const add = (solid: Ellipsoid, density: number) => addChords(path, solid, density)
  if (skin !== undefined) add(skin, 0.9)
  if (body !== undefined) add(body, 0.1)
  for (const organ of organs) add(organ, (organ.value - 48) / 1000)
  for (const rib of ribs) add(rib, 0.5)
  for (const nodule of nodules) add(nodule, 0.9)
  const pixels = new Uint16Array(path.length)
  for (let at = 0; at < path.length; at++) {
    const dense = 4095 * (1 - Math.exp(-Math.max(0, path[at] ?? 0) / 130))
    pixels[at] = Math.min(4095, Math.max(0, dense + random.normal() * 9))
  }
  return pixels
}

function addChords(path: Float32Array, solid: Ellipsoid, density: number): void {
  const { center, radius } = solid
  const column = (x: number) => x / millimetres + columns / 2
  const row = (z: number) => (150 - z) / millimetres + 60
  const fromRow = Math.max(0, Math.floor(row(center[2] + radius[2])))
  const toRow = Math.min(rows - 1, Math.ceil(row(center[2] - radius[2])))
  const fromColumn = Math.max(0, Math.floor(column(center[0] - radius[0])))
  const toColumn = Math.min(columns - 1, Math.ceil(column(center[0] + radius[0])))
  for (let r = fromRow; r <= toRow; r++) {
    const z = 150 - (r - 60) * millimetres
    for (let c = fromColumn; c <= toColumn; c++) {
      const at = r * columns + c
      const length = chordLength(solid, (c - columns / 2) * millimetres, z)
      path[at] = (path[at] ?? 0) + density * length
    }
  }
}
