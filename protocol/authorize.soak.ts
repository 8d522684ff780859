import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { anyWorld, expectedAnswer, factsOf } from './authorize-worlds.fixture.ts'
import { answerOwn, anyOwnWorld, expectedOwn } from './authorize-own.fixture.ts'
import { authorizePeer } from './authorize.ts'
import { createTally, part, seed } from './volume.fixture.ts'

const perBatch = 50_000

test('T10: in five million worlds the holder answers as the rules say', (t) => {
  const worlds = part(5_000_000)
  const answers = createTally()
  const begun = performance.now()
  for (let done = 0, batch = 0; done < worlds; done += perBatch, batch++) {
    // Each batch has a seed of its own: one that fails is run again alone.
    fc.assert(
      fc.property(anyWorld, (world) => {
        const decision = authorizePeer(factsOf(world))
        const answer = decision.ok ? 'allowed' : decision.code
        answers.count(answer)
        assert.equal(answer, expectedAnswer(world))
      }),
      { seed: seed + batch, numRuns: Math.min(perBatch, worlds - done) },
    )
  }
  const seconds = (performance.now() - begun) / 1000
  t.diagnostic(
    `seed ${seed}: ${worlds} worlds, 0 divergences, ${Math.round(worlds / seconds)}/s; ${answers.text()}`,
  )
})

test('T10: at home each door answers as the rules say in a million worlds', (t) => {
  const worlds = part(1_000_000)
  const answers = createTally()
  fc.assert(
    fc.property(anyOwnWorld, (world) => {
      const answer = answerOwn(world)
      answers.count(answer)
      assert.equal(answer, expectedOwn(world))
    }),
    { seed, numRuns: worlds },
  )
  t.diagnostic(`seed ${seed}: ${worlds} worlds at home, 0 divergences; ${answers.text()}`)
})
