import assert from 'node:assert/strict'
import { test } from 'node:test'
import { killRepeatedly } from './kill.fixture.ts'

test('fifty kills lose nothing that was acknowledged', async (t) => {
  const { acknowledged } = await killRepeatedly(50, 2)
  t.diagnostic(`${acknowledged} acknowledged`)
  assert.ok(acknowledged > 1000)
})
