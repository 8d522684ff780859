import assert from 'node:assert/strict'
import { test } from 'node:test'
import { killRepeatedly } from './kill.fixture.ts'

test('a process killed while it stores loses nothing that it acknowledged', async () => {
  const { acknowledged } = await killRepeatedly(5, 1)
  assert.ok(acknowledged > 50, `${acknowledged} acknowledged`)
})
