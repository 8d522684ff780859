import { signRekey } from '#protocol/rekey.ts'
import { tokenDigest } from '#protocol/jws.ts'
import type { Sha256 } from '#protocol/ids.ts'
import { add, now, revoked, type Attack } from './attack-steps.fixture.ts'
import { listingOf, type AttackWorld } from './attack-world.fixture.ts'
import { hiddenAttacks } from './hidden-attacks.fixture.ts'
import { hour } from './lab.fixture.ts'

const actor = 'registry or operator'
const second = '01KB0000000000000000000077'

/** A grant that the holder never asked for, signed inside by `by` in its name, and the epoch that lists it. */
async function inventedGrant(world: AttackWorld, by: 'issuer' | 'thief', isLogged: boolean) {
  const { claims, issuer, evil, holder, wide, change, thief } = world
  const signer = (by === 'issuer' ? issuer : thief).signer
  const request = claims.grantRequest({ ...wide, jti: second })
  const req = await signer.sign('cami-grant-req+jwt', request)
  const grant = await issuer.signer.sign('cami-grant+jwt', claims.grant(req, { jti: second }))
  const { entries } = evil.viewOf(holder.oid)
  const at = Math.floor(world.clock.now / 1000)
  if (isLogged) change({ entries: [...entries, { kind: 'grant', at, token: grant }] })
  const grants = [world.listing, await listingOf(grant)]
  await world.tellEpoch({ epoch: 2, prev: await tokenDigest(world.first), grants }, [
    world.grant,
    grant,
  ])
  return [{ grant: second }]
}

const grants: Attack[] = [
  {
    actor,
    name: 'issues a grant that it has signed in the holder’s place',
    control: 'the holder’s own signature inside the grant',
    run: (world, pick) => inventedGrant(world, 'issuer', pick(2) === 1),
  },
  {
    actor,
    name: 'issues a grant in the holder’s name by a key that it has enrolled for it',
    control: 'a holder knows no keys but its own; alarm',
    alarm: /names this organization: credential/,
    async run(world, pick) {
      const { sign, holder, thief, change, evil } = world
      const iat = now(world)
      const credential = await sign.credential(
        { ...thief, oid: holder.oid, urn: holder.urn },
        { iat },
      )
      const { members } = evil.viewOf(holder.oid)
      change({ members: [...members, { credential, addresses: [], online: true }] })
      add(world, [{ kind: 'credential', at: iat, token: credential }])
      return await inventedGrant(world, 'thief', pick(2) === 1)
    },
  },
  {
    actor,
    name: 'registers a grant for longer than the holder wrote',
    control: 'a registration is no wider than what was signed',
    async run(world) {
      const { sign, claims, wide, issuer, clock, first } = world
      const short = { ...wide, jti: second, exp: now(world) + 60 }
      const req = await sign.grantRequest(short)
      const grant = await issuer.signer.sign('cami-grant+jwt', claims.grant(req, { jti: second }))
      const listed = [world.listing, await listingOf(grant)]
      const prev = await tokenDigest(first)
      await world.tellEpoch({ epoch: 2, prev, grants: listed }, [world.grant, grant])
      clock.now += 3 * 60_000
      return [{ grant: second }]
    },
  },
]

const identities: Attack[] = [
  {
    actor,
    name: 'enrolls another key for the grantee',
    control: 'grants pin the grantee’s key',
    async run(world) {
      const { sign, grantee, thief, change, evil, holder } = world
      const iat = now(world)
      const line = {
        credential: await sign.credential(
          { ...thief, oid: grantee.oid, urn: grantee.urn },
          { iat, nbf: iat },
        ),
        addresses: [],
        online: true,
      }
      const members = evil.viewOf(holder.oid).members.filter((_, at) => at !== 1)
      change({ members: [...members, line] })
      evil.tell(holder.oid, 'directory', { members: [...members, line] })
      return [{ party: { ...thief, oid: grantee.oid, urn: grantee.urn } }]
    },
  },
  {
    actor,
    name: 'the same with a forged change of key',
    control: 'the key before signs who follows it',
    async run(world) {
      const { sign, claims, grantee, thief, stranger, change, evil, holder } = world
      const iat = now(world)
      const posed = { ...thief, oid: grantee.oid, urn: grantee.urn }
      const rekey = await signRekey(claims.rekey(), { old: stranger.signer, next: thief.signer })
      const over = { iat, nbf: iat, prev_kid: grantee.kid }
      const line = {
        credential: await sign.credential(posed, over),
        addresses: [],
        online: true,
        lineage: [{ credential: await sign.credential(grantee), rekey }],
      }
      const members = evil.viewOf(holder.oid).members.filter((_, at) => at !== 1)
      change({ members: [...members, line] })
      evil.tell(holder.oid, 'directory', { members: [...members, line] })
      return [{ party: posed }]
    },
  },
  {
    actor,
    name: 'swaps the trust list for one of another root',
    control: 'the root’s fingerprint is pinned in the node',
    async run(world) {
      const { thief, claims, change, evil, holder } = world
      const issuers = [{ ...claims.trustList().issuers[0], kid: thief.kid, jwk: thief.jwk }]
      const list = { ...claims.trustList({ ver: 9 }), authority: { jwk: thief.jwk }, issuers }
      const trustList = await thief.signer.sign('cami-trust+jwt', list)
      const credential = await thief.signer.sign('cami-mo+jwt', claims.credential(thief))
      const members = [
        ...evil.viewOf(holder.oid).members,
        { credential, addresses: [], online: true },
      ]
      change({ trustList, members })
      evil.tell(holder.oid, 'trust', { trustList })
      evil.tell(holder.oid, 'directory', { members })
      return [{ party: thief }, { party: thief, user: world.user }]
    },
  },
  {
    actor,
    name: 'shows another list of the same version',
    control: 'version and digest of the list',
    async run(world) {
      const { authority, claims, change, evil, holder, thief } = world
      // Signed by whoever has stolen the root for an hour: the number is used up all the same.
      const list = claims.trustList({
        policy: { ...claims.trustList().policy, staleAfterHours: 72 },
      })
      const trustList = await authority.signer.sign('cami-trust+jwt', list)
      change({ trustList })
      evil.tell(holder.oid, 'trust', { trustList })
      await revoked(world)
      return [{}, { party: thief }]
    },
  },
]

const epochs: Attack[] = [
  {
    actor,
    name: 'shows an old epoch that still has the grant',
    control: 'the epoch’s number never decreases',
    async run(world) {
      await revoked(world)
      world.change({ epoch: world.first })
      world.evil.tell(world.holder.oid, 'epoch', { epoch: world.first, grants: [world.grant] })
      return [{}]
    },
  },
  {
    actor,
    name: 'signs another epoch of the same number',
    control: 'evidence, alarm, the older one stays',
    alarm: /epoch_equivocation/,
    async run(world) {
      await revoked(world)
      const prev = await tokenDigest(world.first)
      await world.tellEpoch({ epoch: 2, prev, grants: [world.listing] })
      return [{}]
    },
  },
  {
    actor,
    name: 'signs an epoch that denies its predecessor',
    control: 'evidence, alarm, the older one stays',
    alarm: /epoch_equivocation/,
    async run(world) {
      await revoked(world)
      await world.tellEpoch({ epoch: 3, prev: 'ab'.repeat(32) as Sha256, grants: [world.listing] })
      return [{}]
    },
  },
  {
    actor,
    name: 'confirms the epoch’s number with other content',
    control: 'evidence, alarm, the older one stays',
    alarm: /epoch_equivocation/,
    async run(world) {
      await revoked(world)
      const { evil, holder, change } = world
      const prev = await tokenDigest(world.first)
      const epoch = await evil.epoch(holder.oid, { epoch: 2, prev, grants: [world.listing] })
      change({ epoch })
      evil.tell(holder.oid, 'beat', { beat: await evil.beat(holder.oid) })
      return [{}]
    },
  },
  {
    actor,
    name: 'passes off another holder’s epoch',
    control: 'an epoch names its holder',
    async run(world) {
      await revoked(world)
      const { evil, holder, stranger, change } = world
      const prev = await tokenDigest(evil.viewOf(holder.oid).epoch)
      const over = { epoch: 3, prev, grants: [world.listing], aud: stranger.urn }
      const epoch = await evil.epoch(holder.oid, over)
      change({ epoch })
      evil.tell(holder.oid, 'epoch', { epoch, grants: [world.grant] })
      return [{}]
    },
  },
  {
    actor,
    name: 'confirms the epoch from the future, to keep it fresh',
    control: 'nothing is issued in the future; stale after 24 h',
    async run(world) {
      const { evil, holder, clock } = world
      const there = clock.now
      for (const ahead of [2, 26, 49]) {
        clock.now = there + ahead * hour
        const beat = await evil.beat(holder.oid)
        clock.now = there
        await world
          .holderNode()
          .federation.intake.beat(beat)
          .catch(() => undefined)
      }
      await world.cutOffHolder()
      clock.now += 25 * hour
      await world.holderNode().federation.tick()
      return [{}]
    },
  },
]

export const registryAttacks: Attack[] = [...grants, ...identities, ...epochs, ...hiddenAttacks]
