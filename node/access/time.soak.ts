import { test } from 'node:test'
import assert from 'node:assert/strict'
import { createRandom } from '../archive/simulated-disk.fixture.ts'
import { runDrill } from './time.fixture.ts'

const seeds = Number(process.env['CAMI_SEEDS'] ?? 1000)

test(`clocks of ${seeds} seeds: nothing is accepted after its end, every node recovers`, async (t) => {
  const total = { accepted: 0, expired: 0, refused: 0, recovered: 0 }
  for (let seed = 1; seed <= seeds; seed++) {
    const drill = await runDrill(createRandom(seed), 30)
    assert.equal(drill.expired, 0, `seed ${seed}`)
    total.accepted += drill.accepted
    total.refused += drill.refused
    if (drill.recovered) total.recovered += 1
    else assert.fail(`seed ${seed} does not recover`)
  }
  t.diagnostic(`seeds=${seeds} ${JSON.stringify(total)}`)
})
