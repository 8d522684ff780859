import type { Figure } from './line.ts'

/** One run of a measurement. */
export type BenchRun = {
  /** Small sizes: shows that everything works, measures little. */
  quick: boolean
  /** A folder of its own, removed afterwards. */
  dir: string
  report(figure: Figure): void
  /** Progress, for people. */
  note(text: string): void
}

export type Bench = (run: BenchRun) => Promise<void>
