import { test } from 'node:test'
import assert from 'node:assert/strict'
import { scaleBar } from './scale-bar.ts'

test('the bar is the longest round length that fits', () => {
  assert.deepEqual(scaleBar(1), { mm: 100, pixels: 100 })
  assert.deepEqual(scaleBar(3.2), { mm: 50, pixels: 160 })
  assert.deepEqual(scaleBar(1000), { mm: 1, pixels: 1000 })
  assert.equal(scaleBar(0.01).mm, 500)
})
