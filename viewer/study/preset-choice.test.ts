import { test } from 'node:test'
import assert from 'node:assert/strict'
import { ctPresets, type WindowChoice } from '../imaging/windowing.ts'
import { choiceFrom, codeOf } from './preset-choice.ts'

test('every choice of the menu comes back as itself', () => {
  const choices: WindowChoice[] = [
    { kind: 'file', index: 1 },
    { kind: 'table', index: 0 },
    { kind: 'auto' },
    ...ctPresets.map(([, window]) => ({ kind: 'manual', window }) as const),
  ]
  for (const choice of choices) assert.deepEqual(choiceFrom(codeOf(choice)), choice)
})

test('a window drawn by hand is not in the menu', () => {
  assert.equal(codeOf({ kind: 'manual', window: { center: 1, width: 2 } }), 'manual')
  assert.equal(choiceFrom('manual'), undefined)
  assert.equal(choiceFrom('ct heart'), undefined)
})
