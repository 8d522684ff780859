import assert from 'node:assert/strict'
import { test } from 'node:test'
import { part, seed } from '#protocol/volume.fixture.ts'
import { tamperRepeatedly } from './audit-tamper.fixture.ts'

test('T20: ten thousand tampered audits, all of them found', async (t) => {
  const { tampered, missed } = await tamperRepeatedly(part(10_000), seed)
  t.diagnostic(`seed ${seed}: ${tampered} tampered, ${missed.length} missed`)
  assert.deepEqual(missed, [])
})
