import { tokenDigest } from '#protocol/jws.ts'
import type { Sha256 } from '#protocol/ids.ts'
import { add, heard, now, type Attack } from './attack-steps.fixture.ts'
import type { Asker, AttackWorld } from './attack-world.fixture.ts'
import { hour } from './lab.fixture.ts'

/** What has ended, and the registry does not want the holder to know. */
const actor = 'registry or operator'

export const hiddenAttacks: Attack[] = [
  {
    actor,
    name: 'hides that the holder has ended the grant',
    control: 'the holder’s word counts at the holder at once',
    async run(world, pick) {
      await world.holderNode().federation.revokeGrant(world.jti)
      for (let number = 2; number < 3 + pick(3); number++) {
        const prev = await tokenDigest(world.evil.viewOf(world.holder.oid).epoch)
        await world.tellEpoch({ epoch: number, prev, grants: [world.listing] })
      }
      return [{}]
    },
  },
  {
    actor,
    name: 'hides in the epoch an end that the log has',
    control: 'the log overrides the epoch; alarm',
    alarm: /hides the end of grant/,
    async run(world) {
      add(world, [{ kind: 'grant-end', at: now(world), jti: world.jti, by: 'grantee' }])
      const prev = await tokenDigest(world.first)
      await world.tellEpoch({ epoch: 2, prev, grants: [world.listing] })
      return [{}]
    },
  },
  {
    actor,
    name: 'hides a suspension that the log has',
    control: 'the log overrides the epoch; alarm',
    alarm: /hides the end of organization/,
    async run(world) {
      const org = world.grantee.oid
      add(world, [{ kind: 'suspension', at: now(world), org, state: 'imposed' }])
      const prev = await tokenDigest(world.first)
      await world.tellEpoch({ epoch: 2, prev, grants: [world.listing] })
      return [{}]
    },
  },
  {
    actor,
    name: 'hides a revoked key that the log has',
    control: 'the log overrides the epoch; alarm',
    alarm: /hides the end of key/,
    async run(world) {
      add(world, [{ kind: 'key-revocation', at: now(world), kid: world.grantee.kid }])
      const prev = await tokenDigest(world.first)
      await world.tellEpoch({ epoch: 2, prev, grants: [world.listing] })
      return [{}]
    },
  },
  {
    actor,
    name: 'shortens a log that had the end',
    control: 'the log only grows; alarm',
    alarm: /the log went back/,
    async run(world) {
      const { entries } = world.evil.viewOf(world.holder.oid)
      add(world, [{ kind: 'grant-end', at: now(world), jti: world.jti, by: 'grantee' }])
      const prev = await tokenDigest(world.first)
      const second = await world.tellEpoch({ epoch: 2, prev, grants: [] })
      await heard(world, 2)
      world.change({ entries })
      await world.tellEpoch({ epoch: 3, prev: await tokenDigest(second), grants: [world.listing] })
      return [{}]
    },
  },
  {
    actor,
    name: 'keeps two logs, one without the end',
    control: 'nodes compare; alarm within two beats; unwitnessed, it ends after 24 h',
    alarm: /two histories/,
    async run(world) {
      const { stranger } = world
      const other = await world.third()
      add(
        world,
        [{ kind: 'grant-end', at: now(world), jti: world.jti, by: 'grantee' }],
        stranger.oid,
      )
      add(world, [{ kind: 'manifest', at: now(world), sha256: 'ab'.repeat(32) as Sha256 }])
      // Honest witnesses sign one of them at most.
      world.change({ witnesses: [] })
      await compared(world, other)
      return await afterTheLimit(world)
    },
  },
  {
    actor,
    name: 'withholds the newest entries from the holder',
    control: 'nodes compare; alarm within two beats; unwitnessed, it ends after 24 h',
    alarm: /the log is shown to others/,
    async run(world) {
      const { stranger } = world
      const other = await world.third()
      add(
        world,
        [{ kind: 'grant-end', at: now(world), jti: world.jti, by: 'grantee' }],
        stranger.oid,
      )
      world.change({ witnesses: [] })
      await compared(world, other)
      return await afterTheLimit(world)
    },
  },
]

/** Two beats, in which the two nodes show each other what they were shown. */
async function compared(
  world: AttackWorld,
  other: Awaited<ReturnType<AttackWorld['third']>>,
): Promise<void> {
  const node = world.holderNode()
  for (let beat = 0; beat < 2; beat++) {
    await world.beat([node, other])
    for (const note of other.federation.transparency.notes()) {
      const connection = await other.host.connect(node.host.peerId, node.host.addresses())
      await connection.request('log.compare', { checkpoint: note })
    }
  }
  const isRaised = node.alarms.some((text) => /two histories|is shown to others/.test(text))
  if (!isRaised) throw new Error('no alarm within two beats')
}

/** A day more in which the registry says each hour that nothing has changed. */
async function afterTheLimit(world: AttackWorld): Promise<Asker[]> {
  for (let at = 0; at < 24; at++) {
    world.clock.now += hour - 60_000
    await world.beat()
  }
  return [{}]
}
