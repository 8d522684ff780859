/**
 * Long tests at full volume are `*.soak.ts`. `CAMI_VOLUME` is the fraction of it that is run, `CAMI_SEED` where the
 * states begin: so a run can be cut into pieces, and a piece repeated.
 */
export const volume = Number(process.env['CAMI_VOLUME'] ?? 1)
export const seed = Number(process.env['CAMI_SEED'] ?? 1)
export const part = (full: number): number => Math.max(1, Math.round(full * volume))

/** Seeded numbers in [0, 1). */
export function createRandom(from: number): () => number {
  let state = from >>> 0
  return () => {
    state = (state + 0x6d2b_79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** Choices by such numbers. */
export function createChance(from: number) {
  const random = createRandom(from)
  const below = (bound: number): number => Math.floor(random() * bound)
  return {
    random,
    below,
    pick<T>(all: readonly T[]): T {
      const one = all[below(all.length)]
      if (one === undefined) throw new Error('nothing to choose from')
      return one
    },
  }
}
export type Chance = ReturnType<typeof createChance>

/** How often each answer was given, the most frequent first. */
export function createTally() {
  const counts = new Map<string, number>()
  return {
    count: (what: string) => counts.set(what, (counts.get(what) ?? 0) + 1),
    of: (what: string): number => counts.get(what) ?? 0,
    text: () =>
      [...counts]
        .toSorted(([, a], [, b]) => b - a)
        .map(([what, count]) => `${what} ${count}`)
        .join(', '),
  }
}
