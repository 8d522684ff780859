import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runPartition } from './partition.fixture.ts'

test('T7: 72 hours without the registry: local work goes on, others are shut out after the limit, nothing ended comes back', async (t) => {
  const figures = await runPartition({ seed: 1, changes: 10, stores: 72 })
  t.diagnostic(JSON.stringify(figures))
  assert.deepEqual(figures.wrong, [])
  assert.equal(figures.grantsRefusedMeanwhile, 2)
})
