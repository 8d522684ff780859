import assert from 'node:assert/strict'
import { test } from 'node:test'
import { part, seed } from '#protocol/volume.fixture.ts'
import { rotate } from './rotation.fixture.ts'

test('T21: fifty changes of key and fifty thefts', async (t) => {
  const seeds = part(50)
  let asked = 0
  let slowest = 0
  for (let at = 0; at < seeds; at++) {
    const figures = await rotate(seed + at)
    assert.deepEqual(figures.wrong, [], `seed ${seed + at}`)
    asked += figures.asked
    slowest = Math.max(slowest, figures.refusedAfterMs)
  }
  assert.ok(slowest <= 60_000)
  t.diagnostic(
    `seeds ${seed} to ${seed + seeds - 1}: ${asked} asked, 0 wrong; refused in ${slowest} ms at most`,
  )
})
