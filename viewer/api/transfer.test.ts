import { test } from 'node:test'
import assert from 'node:assert/strict'
import { isComplete, transferFrom } from './transfer.ts'

const counts = { instances: { done: 1, total: 2 }, bytes: { done: 10, total: 20 } }

test('a transfer is read from what the node says, and nothing else is taken for one', () => {
  assert.deepEqual(transferFrom({ state: 'fetching', ...counts, extra: 1 }), {
    state: 'fetching',
    ...counts,
  })
  for (const value of [undefined, null, 'x', {}, { state: 1, ...counts }, { state: 'x' }]) {
    assert.equal(transferFrom(value), undefined)
  }
})

test('it is complete when every instance is here', () => {
  assert.equal(isComplete({ state: 'fetching', ...counts }), false)
  assert.equal(isComplete({ state: 'x', ...counts, instances: { done: 2, total: 2 } }), true)
  assert.equal(isComplete({ state: 'x', ...counts, instances: { done: 0, total: 0 } }), false)
  assert.equal(isComplete({ state: 'complete', ...counts }), true)
})
