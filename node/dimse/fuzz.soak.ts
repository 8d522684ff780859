import { test } from 'node:test'
import assert from 'node:assert/strict'
import { createRandom } from '../archive/simulated-disk.fixture.ts'
import { fuzz, fuzzGuard } from './fuzz.fixture.ts'

test('a million damaged streams neither stop nor swell the provider', async (t) => {
  const figures = await fuzz(1_000_000, createRandom(6))
  t.diagnostic(JSON.stringify(figures))
  assert.ok(figures.rssMiB < 512)
})

test('ten million damaged streams are cut into units or refused, and nothing else', (t) => {
  const figures = fuzzGuard(10_000_000, createRandom(7))
  t.diagnostic(JSON.stringify(figures))
  assert.ok(figures.refused > figures.streams / 10)
  assert.ok(figures.rssMiB < 512)
})
