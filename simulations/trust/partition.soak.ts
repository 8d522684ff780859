import assert from 'node:assert/strict'
import { test } from 'node:test'
import { part, seed } from '#protocol/volume.fixture.ts'
import { runPartition } from './partition.fixture.ts'

test('T7: 72 hours without the registry, 200 changed grants, 10 000 studies', async (t) => {
  const figures = await runPartition({
    seed,
    changes: part(200),
    stores: part(10_000),
    witnesses: 6,
  })
  t.diagnostic(`seed ${seed}: ${JSON.stringify(figures)}`)
  assert.deepEqual(figures.wrong, [])
})

test('T7: two hundred seeds of a smaller region', async (t) => {
  const seeds = part(200)
  const total = {
    grantsEnded: 0,
    localReads: 0,
    readsBeforeLimit: 0,
    deniedAfterLimit: 0,
    slowestMs: 0,
  }
  for (let at = 0; at < seeds; at++) {
    const figures = await runPartition({ seed: seed + at, changes: 10, stores: 72 })
    assert.deepEqual(figures.wrong, [], `seed ${seed + at}`)
    total.grantsEnded += figures.grantsEnded
    total.localReads += figures.localReads
    total.readsBeforeLimit += figures.readsBeforeLimit
    total.deniedAfterLimit += figures.deniedAfterLimit
    total.slowestMs = Math.max(total.slowestMs, figures.convergedMs)
  }
  t.diagnostic(`seeds ${seed} to ${seed + seeds - 1}: ${JSON.stringify(total)}, 0 wrong`)
})
