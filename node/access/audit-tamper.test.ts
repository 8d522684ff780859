import assert from 'node:assert/strict'
import { test } from 'node:test'
import { tamperRepeatedly } from './audit-tamper.fixture.ts'

test('T20: whatever is done to the audit before the last logged head is found', async (t) => {
  const { tampered, missed } = await tamperRepeatedly(100, 1)
  t.diagnostic(`${tampered} tampered logs`)
  assert.deepEqual(missed, [])
})
