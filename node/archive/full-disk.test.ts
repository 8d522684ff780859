import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fillRepeatedly } from './full-disk.fixture.ts'

test('a file system that is really full costs nothing, and intake comes back by itself', async (t) => {
  const figures = await fillRepeatedly(3, 2)
  if (figures === undefined) return t.skip('this process may not mount a file system')
  t.diagnostic(JSON.stringify(figures))
  assert.ok(figures.refused > 0 && figures.acknowledged > 30)
  assert.equal(figures.lost, 0)
})
