import assert from 'node:assert/strict'
import { createChance } from '#protocol/volume.fixture.ts'
import { createAttackWorld } from './attack-world.fixture.ts'
import { peerAttacks } from './peer-attacks.fixture.ts'
import type { Attack } from './attack-steps.fixture.ts'
import { registryAttacks } from './registry-attacks.fixture.ts'

export type Outcome = {
  asked: number
  reads: number
  /** What the asker is told, and what the holder writes down. */
  answers: string[]
  reasons: string[]
  beats: number | undefined
}

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
  const reasons: string[] = []
  const put = async (): Promise<void> => {
    for (const one of askers) {
      const before = world.holderNode().audit.count()
      answers.push(await (typeof one === 'function' ? one() : world.ask(one)))
      const [record] = await world
        .holderNode()
        .audit.list({ after: before, filter: { outcome: 'denied' } })
      reasons.push(record?.code ?? answers.at(-1) ?? '')
    }
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
  return { asked: answers.length, reads, answers, reasons, beats }
}

export const attacks: readonly Attack[] = [...registryAttacks, ...peerAttacks]

export type Row = { attack: Attack; outcome: Outcome }

/** As `docs/SECURITY.md` has it. */
export function tableOf(rows: readonly Row[]): string {
  const lines = rows.map(({ attack, outcome }) => {
    const answers = [...new Set(outcome.reasons)].map((code) => `\`${code}\``).join(', ')
    return `| ${attack.actor} | ${attack.name} | ${attack.control} | ${answers} | ${outcome.reads} |`
  })
  return [
    '| who | does what | stopped by | answer | reads |',
    '| --- | --- | --- | --- | --- |',
    ...lines,
  ].join('\n')
}
