import assert from 'node:assert/strict'
import { test } from 'node:test'
import { part, seed } from '#protocol/volume.fixture.ts'
import { attacks, runAttack } from './run-attack.fixture.ts'

test('T12: every attack with fifty seeds: nothing is read, alarms come within two beats', async (t) => {
  const seeds = part(50)
  const total = { attacks: 0, asked: 0, reads: 0, alarms: 0, slowestBeats: 0 }
  for (let at = 0; at < seeds; at++) {
    for (const attack of attacks) {
      const { asked, reads, beats } = await runAttack(attack, seed + at)
      assert.equal(reads, 0, `seed ${seed + at}: ${attack.name}`)
      total.attacks += 1
      total.asked += asked
      if (beats !== undefined) total.alarms += 1
      total.slowestBeats = Math.max(total.slowestBeats, beats ?? 0)
    }
  }
  t.diagnostic(`seeds ${seed} to ${seed + seeds - 1}: ${JSON.stringify(total)}`)
})
