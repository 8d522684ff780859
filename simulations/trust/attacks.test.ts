import assert from 'node:assert/strict'
import { test } from 'node:test'
import { registryAttacks } from './registry-attacks.fixture.ts'
import { runAttack } from './run-attack.fixture.ts'

for (const attack of registryAttacks) {
  test(`T12: ${attack.actor} ${attack.name}: nothing is read`, async (t) => {
    const outcome = await runAttack(attack, 1)
    t.diagnostic(JSON.stringify(outcome))
    assert.equal(outcome.reads, 0)
    assert.ok(outcome.asked > 0)
  })
}
