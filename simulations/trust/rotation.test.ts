import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rotate } from './rotation.fixture.ts'

test('T21: a changed key reads on, a stolen one nowhere, and a grant rests until its holder confirms it', async (t) => {
  const figures = await rotate(1)
  t.diagnostic(JSON.stringify(figures))
  assert.deepEqual(figures.wrong, [])
})
