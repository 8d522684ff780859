import { test } from 'node:test'
import assert from 'node:assert/strict'
import { rowAfter } from './row-keys.ts'

test('arrows and page keys move within the rows', () => {
  assert.equal(rowAfter('ArrowDown', 0, 30), 1)
  assert.equal(rowAfter('ArrowDown', 29, 30), 29)
  assert.equal(rowAfter('ArrowUp', 0, 30), 0)
  assert.equal(rowAfter('PageDown', 25, 30), 29)
  assert.equal(rowAfter('PageUp', 25, 30), 15)
  assert.equal(rowAfter('Home', 25, 30), 0)
  assert.equal(rowAfter('End', 0, 30), 29)
})

test('other keys and an empty table move nothing', () => {
  assert.equal(rowAfter('KeyA', 3, 30), undefined)
  assert.equal(rowAfter('ArrowDown', 0, 0), undefined)
})
