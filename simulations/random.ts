/** Seeded chance: the same seed gives the same people, images and faults on every machine. */
export type Random = {
  /** Uniform in [0, 1). */
  next(): number
  /** Whole number from 0 to `below` − 1. */
  int(below: number): number
  pick<T>(from: readonly [T, ...T[]]): T
  /** Normal, mean 0, deviation 1. */
  normal(): number
  bytes(count: number): Uint8Array
}

/** xoshiro128** (Blackman and Vigna), its state filled by splitmix32 from the seed. */
export function createRandom(seed: number): Random {
  const state = new Uint32Array(4)
  let mix = seed >>> 0
  for (let i = 0; i < 4; i++) {
    mix = (mix + 0x9e3779b9) >>> 0
    let word = mix
    word = Math.imul(word ^ (word >>> 16), 0x21f0aaad)
    word = Math.imul(word ^ (word >>> 15), 0x735a2d97)
    state[i] = (word ^ (word >>> 15)) >>> 0
  }
  const at = (index: number) => state[index] ?? 0
  const word = (): number => {
    const turned = Math.imul(at(1), 5)
    const result = Math.imul((turned << 7) | (turned >>> 25), 9) >>> 0
    const shifted = at(1) << 9
    state[2] = at(2) ^ at(0)
    state[3] = at(3) ^ at(1)
    state[1] = at(1) ^ at(2)
    state[0] = at(0) ^ at(3)
    state[2] = at(2) ^ shifted
    state[3] = (at(3) << 11) | (at(3) >>> 21)
    return result
  }
  const next = () => word() / 2 ** 32
  const int = (below: number) => Math.floor(next() * below)
  return {
    next,
    int,
    pick: (from) => from[int(from.length)] ?? from[0],
    normal: () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()),
    bytes: (count) => Uint8Array.from({ length: count }, () => word() & 0xff),
  }
}
