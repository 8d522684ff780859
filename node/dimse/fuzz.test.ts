import { test } from 'node:test'
import assert from 'node:assert/strict'
import { createRandom } from '../archive/simulated-disk.fixture.ts'
import { fuzz, fuzzGuard } from './fuzz.fixture.ts'

test('five thousand damaged streams neither stop nor swell the provider', async (t) => {
  const figures = await fuzz(5000, createRandom(5))
  t.diagnostic(JSON.stringify(figures))
  assert.ok(figures.stored > 100)
  assert.ok(figures.rssMiB < 512)
})

test('twenty thousand damaged streams are cut into units or refused, and nothing else', (t) => {
  const figures = fuzzGuard(20_000, createRandom(7))
  t.diagnostic(JSON.stringify(figures))
  assert.ok(figures.refused > figures.streams / 10)
  assert.ok(figures.rssMiB < 512)
})
