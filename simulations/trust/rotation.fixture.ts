import { signRekey } from '#protocol/rekey.ts'
import { tokenDigest } from '#protocol/jws.ts'
import type { Party } from '#protocol/federation.fixture.ts'
import { createChance } from '#protocol/volume.fixture.ts'
import { createAttackWorld, listingOf, type AttackWorld } from './attack-world.fixture.ts'
import { hour, until } from './lab.fixture.ts'

/** What was answered at each step that was not as it must be. */
export type DrillFigures = { asked: number; wrong: string[]; refusedAfterMs: number }

/**
 * T21: the grantee's key changes by its own word, and later is stolen; the thief, who also changes it by the stolen key's
 * word, gets nothing; the grant rests until its holder confirms it for the key of the new enrollment.
 */
export async function rotate(seed: number): Promise<DrillFigures> {
  const chance = createChance(seed)
  await using world = await createAttackWorld(seed)
  const { grantee, successor, thief, clock, sign, claims } = world
  const figures: DrillFigures = { asked: 0, wrong: [], refusedAfterMs: 0 }
  const see = async (step: string, party: Party, expected: 'read' | 'refused'): Promise<void> => {
    const posed = { ...party, oid: grantee.oid, urn: grantee.urn }
    const answer = await world.ask({ party: posed })
    figures.asked += 1
    if ((answer === 'read') !== (expected === 'read')) figures.wrong.push(`${step}: ${answer}`)
  }
  await see('before', grantee, 'read')
  // The change by its own word.
  const rekey = await signRekey(claims.rekey(), { old: grantee.signer, next: successor.signer })
  const old = await sign.credential(grantee)
  await enroll(world, successor, [{ credential: old, rekey }], grantee)
  await see('changed', successor, 'read')
  await see('overlap', grantee, 'read')
  clock.now += (1 + chance.below(22)) * hour
  await world.beat()
  await see('overlap, later', grantee, 'read')
  clock.now += 23 * hour
  await world.beat()
  await see('after the overlap', grantee, 'refused')
  await see('after the overlap', successor, 'read')
  // The theft of the new key: the operator revokes it, the holder hears of it with the next epoch.
  const begun = performance.now()
  const prev = await tokenDigest(world.first)
  const off = { kid_off: [successor.kid] }
  const second = await world.tellEpoch({ epoch: 2, prev, grants: [world.listing], ...off })
  await taken(world, 2)
  await see('stolen', successor, 'refused')
  figures.refusedAfterMs = Math.round(performance.now() - begun)
  const stolen = await signRekey(claims.rekey(), { old: successor.signer, next: thief.signer })
  const line = await sign.credential(successor)
  await enroll(
    world,
    thief,
    [
      { credential: line, rekey: stolen },
      { credential: old, rekey },
    ],
    successor,
  )
  await see('the thief’s change of key', thief, 'refused')
  if (chance.below(2) === 0) await world.restartHolder()
  // The enrollment anew, and the holder's confirmation.
  await enroll(world, world.fresh, [{ credential: line }, { credential: old, rekey }], successor)
  await see('enrolled anew', world.fresh, 'refused')
  const again = await sign.grant({ ver: 2 }, { ...world.wide, ver: 2, sub_kid: [world.fresh.kid] })
  const third = {
    epoch: 3,
    prev: await tokenDigest(second),
    grants: [await listingOf(again)],
    ...off,
  }
  await world.tellEpoch(third, [again])
  await taken(world, 3)
  // The grants of an epoch are proven one by one after it is in force.
  const { federation } = world.holderNode()
  const [jti] = world.listing
  await until('the grant', () => federation.heldGrant(jti)?.grant.claims.ver === 2)
  await see('confirmed', world.fresh, 'read')
  for (const party of [grantee, successor, thief]) await see('confirmed, others', party, 'refused')
  return figures
}

const taken = ({ holderNode }: AttackWorld, epoch: number) =>
  until(`epoch ${epoch}`, () => holderNode().federation.epochFacts()?.epoch === epoch)

/** The directory shows the grantee under this key, with the keys before. */
async function enroll(
  world: AttackWorld,
  party: Party,
  lineage: { credential: string; rekey?: string }[],
  before: Party,
): Promise<void> {
  const { sign, grantee, evil, holder, change, clock } = world
  const iat = Math.floor(clock.now / 1000)
  const posed = { ...party, oid: grantee.oid, urn: grantee.urn }
  const credential = await sign.credential(posed, { iat, nbf: iat, prev_kid: before.kid })
  const members = evil
    .viewOf(holder.oid)
    .members.with(1, { credential, addresses: [], online: true, lineage })
  change({ members })
  evil.tell(holder.oid, 'directory', { members })
  const { federation } = world.holderNode()
  await until('the directory', () => federation.member(grantee.oid)?.kid === party.kid)
}
