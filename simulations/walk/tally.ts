import { performance } from 'node:perf_hooks'

/** What each act took of whoever walked through it, and how soon each effect was there. */
export type Act = {
  title: string
  /** Who did what on which screen. */
  steps: string[]
  clicks: number
  fields: number
  keys: number
  seconds: number
}
export type Effect = { title: string; seen: string; seconds: number; bound: number }

export type Tally = {
  readonly acts: readonly Act[]
  readonly effects: readonly Effect[]
  /** Everything clicked and typed until `work` is done belongs to this act. */
  act<T>(title: string, work: () => Promise<T>): Promise<T>
  step(what: string): void
  click(): void
  /** One field, with so many characters typed. */
  field(characters: number): void
  /** From the last click of whoever decided to what `seen` says on a screen that was open. */
  effect(title: string, seen: string, work: () => Promise<void>): Promise<void>
}

/** Bound of every effect on an open viewer (issue of trust, acceptance 1). */
export const boundSeconds = 60

export function createTally(): Tally {
  const acts: Act[] = []
  const effects: Effect[] = []
  const outside: Act = { title: '', steps: [], clicks: 0, fields: 0, keys: 0, seconds: 0 }
  let current = outside
  return {
    acts,
    effects,
    async act(title, work) {
      const before = current
      current = { title, steps: [], clicks: 0, fields: 0, keys: 0, seconds: 0 }
      acts.push(current)
      process.stderr.write(`${title}\n`)
      const begun = performance.now()
      try {
        return await work()
      } finally {
        current.seconds = secondsSince(begun)
        current = before
      }
    },
    step: (what) => void current.steps.push(what),
    click: () => void current.clicks++,
    field(characters) {
      current.fields++
      current.keys += characters
    },
    async effect(title, seen, work) {
      const begun = performance.now()
      await work()
      effects.push({ title, seen, seconds: secondsSince(begun), bound: boundSeconds })
      process.stderr.write(`  ${seen}: ${secondsSince(begun).toFixed(1)} s\n`)
    },
  }
}

const secondsSince = (begun: number): number => (performance.now() - begun) / 1000

/** Two tables in Markdown, and whether every bound was kept. */
export function report({ acts, effects }: Pick<Tally, 'acts' | 'effects'>): {
  text: string
  isKept: boolean
} {
  const sum = (name: 'clicks' | 'fields' | 'keys' | 'seconds') =>
    acts.reduce((total, act) => total + act[name], 0)
  const row = (...cells: (string | number)[]) => `| ${cells.join(' | ')} |`
  const isKept = effects.every(({ seconds, bound }) => seconds <= bound)
  const lines = [
    row('act', 'on which screen', 'clicks', 'fields', 'characters', 'seconds'),
    row('---', '---', '---:', '---:', '---:', '---:'),
    ...acts.map(({ title, steps, clicks, fields, keys, seconds }) =>
      row(title, steps.join('; '), clicks, fields, keys, seconds.toFixed(1)),
    ),
    row('in all', '', sum('clicks'), sum('fields'), sum('keys'), sum('seconds').toFixed(1)),
    '',
    row('effect', 'what happened on the open screen', 'seconds', 'bound', ''),
    row('---', '---', '---:', '---:', '---'),
    ...effects.map(({ title, seen, seconds, bound }) =>
      row(title, seen, seconds.toFixed(1), bound, seconds <= bound ? 'kept' : 'MISSED'),
    ),
  ]
  return { text: lines.join('\n'), isKept }
}
