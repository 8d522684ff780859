import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loseRepeatedly, rotRepeatedly } from './rot.fixture.ts'

test('a bit flipped in any file is noticed and repaired, and no wrong byte is handed out', async (t) => {
  const figures = await rotRepeatedly(15, 4)
  t.diagnostic(JSON.stringify(figures))
  assert.deepEqual([figures.wrong, figures.unrepaired], [0, 0])
})

test('a file that is deleted or cut costs nothing whose bytes exist elsewhere', async (t) => {
  const figures = await loseRepeatedly(1, 5)
  t.diagnostic(JSON.stringify(figures))
  assert.equal(figures.lost, 0)
})
