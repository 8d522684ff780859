import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { anyWorld, expectedAnswer, factsOf } from './authorize-worlds.fixture.ts'
import { authorizePeer } from './authorize.ts'

test('a million worlds: the holder answers as the rules say', () => {
  const seed = Number(process.env['CAMI_SEED'] ?? 856_001)
  fc.assert(
    fc.property(anyWorld, (world) => {
      const decision = authorizePeer(factsOf(world))
      assert.equal(decision.ok ? 'allowed' : decision.code, expectedAnswer(world))
    }),
    { seed, numRuns: 1_000_000 },
  )
})
