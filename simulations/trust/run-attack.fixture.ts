import assert from 'node:assert/strict'
import { createChance } from '#protocol/volume.fixture.ts'
import { createAttackWorld } from './attack-world.fixture.ts'
import type { Attack } from './registry-attacks.fixture.ts'

export type Outcome = { asked: number; reads: number; answers: string[]; beats: number | undefined }

/**
 * Runs one attack against a holder of its own. Before it the grant's reader must get the study, or the attack would prove
 * nothing. By chance the holder's node is restarted after it, on the same folder.
 */
export async function runAttack(attack: Attack, seed: number): Promise<Outcome> {
  const chance = createChance(seed)
  await using world = await createAttackWorld(seed)
  assert.equal(await world.ask(), 'read', `${attack.name}: before the attack the grant opens`)
  const askers = await attack.run(world, chance.below)
  const raised = (): boolean => {
    const { alarms } = world.holderNode()
    return attack.alarm !== undefined && alarms.some((text) => attack.alarm?.test(text))
  }
  let beats = raised() ? 0 : undefined
  for (let beat = 1; beat <= 2; beat++) {
    await world.beat()
    if (raised()) beats ??= beat
  }
  const answers: string[] = []
  const put = async (): Promise<void> => {
    for (const asker of askers) answers.push(await world.ask(asker))
  }
  await put()
  if (chance.below(3) === 0) {
    await world.restartHolder()
    await put()
  }
  const reads = answers.filter((answer) => answer === 'read').length
  if (attack.alarm !== undefined) {
    assert.ok(beats !== undefined, `${attack.name}: an alarm within two beats`)
  }
  return { asked: answers.length, reads, answers, beats }
}
