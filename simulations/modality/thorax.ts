import type { Random } from '../random.ts'
import type { Ellipsoid } from './shapes.ts'

/** A thorax of solids, values in Hounsfield units: the CT slices it, the radiograph looks through it. */
export type Thorax = {
  /** In painting order, outermost first. */
  solids: Ellipsoid[]
  ribs: Ellipsoid[]
  nodules: Ellipsoid[]
}

export function createThorax(random: Random): Thorax {
  const lungs: Ellipsoid[] = [
    { center: [-72, -8, 10], radius: [58, 84, 150], value: -860 },
    { center: [74, -8, 10], radius: [54, 82, 145], value: -855 },
  ]
  const nodules = Array.from({ length: 4 }, () => createNodule(random))
  const solids: Ellipsoid[] = [
    { center: [0, 0, 0], radius: [176, 118, 420], value: -95 },
    { center: [0, 0, 0], radius: [164, 106, 420], value: 48 },
    ...lungs,
    ...vessels(random),
    { center: [0, -18, -20], radius: [34, 52, 190], value: 42 },
    { center: [22, -38, -62], radius: [56, 48, 62], value: 44 },
    { center: [-66, -6, -190], radius: [66, 92, 78], value: 58 },
    { center: [70, 4, -186], radius: [54, 74, 58], value: 50 },
    { center: [-3, -6, 90], radius: [9, 8, 110], value: -990 },
    { center: [14, 40, 0], radius: [12, 12, 300], value: 46 },
    ...spine(),
    { center: [0, -100, 30], radius: [15, 6, 90], value: 380 },
    ...nodules,
  ]
  return { solids, ribs: ribs(), nodules }
}

function createNodule(random: Random): Ellipsoid {
  const side = random.pick([-1, 1] as const)
  const size = 3.5 + random.next() * 6
  return {
    center: [side * (52 + random.int(40)), -40 + random.int(70), -60 + random.int(130)],
    radius: [size, size * 0.9, size],
    value: 25 + random.int(40),
  }
}

/** Vessels thin out from the hilum to the pleura. */
function vessels(random: Random): Ellipsoid[] {
  return Array.from({ length: 420 }, () => {
    const side = random.pick([-1, 1] as const)
    const away = random.next()
    const radius = 1.2 + 4.5 * (1 - away) ** 2
    return {
      center: [
        side * (36 + 84 * away),
        -8 + random.normal() * 30 * (0.4 + away),
        8 + random.normal() * 52,
      ],
      radius: [radius, radius, radius * (1 + 5 * random.next())],
      value: 40,
    }
  })
}

/** Vertebrae, each a body, an arch and the canal inside. */
function spine(): Ellipsoid[] {
  const all: Ellipsoid[] = []
  for (let z = -210; z <= 210; z += 28) {
    all.push(
      { center: [0, 66, z], radius: [21, 17, 12], value: 620 },
      { center: [0, 66, z], radius: [17, 13, 9.5], value: 210 },
      { center: [0, 88, z], radius: [34, 6, 7], value: 520 },
      { center: [0, 98, z - 6], radius: [4, 14, 7], value: 480 },
    )
  }
  all.push({ center: [0, 86, 0], radius: [9, 8, 420], value: 32 })
  return all
}

/** Beads along twelve slanting arches: every slice cuts ribs, and a radiograph shows them as bands. */
function ribs(): Ellipsoid[] {
  const beads: Ellipsoid[] = []
  for (let rib = 0; rib < 12; rib++) {
    const top = 150 - rib * 27
    const width = 148 - Math.max(0, 4 - rib) * 14 - Math.max(0, rib - 9) * 8
    for (let step = 0; step <= 44; step++) {
      const turn = Math.PI * (step / 44) * 0.93 + 0.06
      for (const side of [-1, 1]) {
        const x = side * width * Math.sin(turn)
        const y = 96 * Math.cos(turn)
        const z = top - 62 * ((1 - Math.cos(turn)) / 2)
        beads.push({ center: [x, y, z], radius: [7, 6, 6.5], value: 540 })
      }
    }
  }
  return beads
}
