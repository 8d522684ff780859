import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cutRepeatedly } from './cut.fixture.ts'

test('T13: a grant that ends while its study is streaming cuts the stream within an instance', async (t) => {
  const figures = await cutRepeatedly(10, 1)
  t.diagnostic(JSON.stringify(figures))
  assert.deepEqual(figures.wrong, [])
  assert.ok(figures.instancesAfterMax <= 1)
  assert.ok(figures.tooLate < figures.cuts)
})
