import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { actors } from './forms.fixture.ts'
import type { Actor, Living, Outcome } from './life-cycle.ts'

const people = Object.values(actors)

/** «from –action→ to: who», the tables of the requirements, written again for the test. */
export type Table = Record<string, string>

export type Walk<T extends Living, A> = {
  start: T
  /** Also begun from here, where chance alone seldom comes. */
  later?: readonly T[]
  actions: readonly A[]
  step: (form: T, action: A, actor: Actor, flags: readonly boolean[]) => Outcome<T, unknown>
  table: Table
  terminal: readonly string[]
  /** What must be true of a form that has come to its state. */
  holds?: (form: T, before: T, actor: Actor, flags: readonly boolean[]) => void
}

/** Any actions by anybody: only the table's steps happen, the history only grows, what has ended stays. */
export function walk<T extends Living, A extends { type: string }>(
  given: Walk<T, A>,
): Map<string, number> {
  const { start, later = [], actions, step, table, terminal, holds } = given
  const seen = new Map<string, number>()
  const pairs = actions.flatMap((action) => people.map((actor) => ({ action, actor })))
  const move = fc.record({
    pair: fc.constantFrom(...pairs),
    pick: fc.nat(1000),
    isHelpful: fc.boolean(),
    flags: fc.tuple(fc.boolean(), fc.boolean()),
  })
  /** Chance alone seldom comes far: every other move is one that leads on. */
  const leading = (form: T, flags: readonly boolean[], pick: number) => {
    const found = pairs.filter(({ action, actor }) => {
      const outcome = step(form, action, actor, flags)
      return outcome.ok && JSON.stringify(outcome.form) !== JSON.stringify(form)
    })
    const further = found.filter(({ action, actor }) => {
      const outcome = step(form, action, actor, flags)
      return outcome.ok && outcome.form.status !== form.status
    })
    const among = further.length > 0 && pick % 2 !== 0 ? further : found
    return among[pick % Math.max(1, among.length)]
  }
  const begin = fc.constantFrom(start, ...later)
  fc.assert(
    fc.property(begin, fc.array(move, { minLength: 10, maxLength: 30 }), (first, moves) => {
      let form = first
      for (const { pair, pick, isHelpful, flags } of moves) {
        const { action, actor } = (isHelpful ? leading(form, flags, pick) : undefined) ?? pair
        const before = structuredClone(form)
        const outcome = step(form, action, actor, flags)
        assert.deepEqual(form, before, 'a step changed the form it was given')
        if (!outcome.ok) continue
        const after = outcome.form
        const key = `${before.status} ${action.type} ${after.status}`
        assert.ok(table[key] !== undefined, `not in the table: ${key}`)
        assert.ok(table[key].split(' ').includes(actor.role), `${actor.role} may not: ${key}`)
        assert.ok(!terminal.includes(before.status), `went on after the end: ${key}`)
        assert.deepEqual(after.history.slice(0, -1), before.history)
        assert.equal(after.history.at(-1)?.action, action.type)
        holds?.(after, before, actor, flags)
        seen.set(key, (seen.get(key) ?? 0) + 1)
        form = after
      }
    }),
    { seed: 856, numRuns: 150 },
  )
  return seen
}

export const reached = (seen: Map<string, number>, ...states: string[]) => {
  for (const state of states) {
    assert.ok(
      [...seen.keys()].some((key) => key.endsWith(` ${state}`)),
      `never came to ${state}`,
    )
  }
}
