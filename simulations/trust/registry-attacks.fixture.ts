import { signRekey } from '#protocol/rekey.ts'
import { tokenDigest } from '#protocol/jws.ts'
import type { Sha256 } from '#protocol/ids.ts'
import type { LogEntry } from '#protocol/transparency/entries.ts'
import { listingOf, type Asker, type AttackWorld } from './attack-world.fixture.ts'
import { hour } from './lab.fixture.ts'

/** What an attacker does, and who then asks; every one of these must be refused. */
export type Attack = {
  actor: string
  name: string
  /** What stops it. */
  control: string
  run: (world: AttackWorld, pick: (bound: number) => number) => Promise<Asker[]>
  /** What the holder must have raised within two beats. */
  alarm?: RegExp
}

const actor = 'реестр'
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

/** The second epoch, in which the one grant is over. */
async function revoked(world: AttackWorld, over: object = {}): Promise<string> {
  const prev = await tokenDigest(world.first)
  const grants = [await listingOf(world.grant, 'revoked')]
  const epoch = await world.tellEpoch({ epoch: 2, prev, grants, ...over })
  await heard(world, 2)
  return epoch
}

async function heard({ holderNode }: AttackWorld, epoch: number): Promise<void> {
  const deadline = performance.now() + 30_000
  while (holderNode().federation.epochFacts()?.epoch !== epoch) {
    if (performance.now() > deadline) throw new Error(`epoch ${epoch} was not taken`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

/** What the registry adds to the log that it shows to one organization. */
function add(world: AttackWorld, more: LogEntry[], to = world.holder.oid): void {
  world.change({ entries: [...world.evil.viewOf(to).entries, ...more] }, to)
}
const now = (world: AttackWorld): number => Math.floor(world.clock.now / 1000)

const grants: Attack[] = [
  {
    actor,
    name: 'выдаёт доступ, который подписал за владельца сам',
    control: 'подпись владельца в доступе (реш. 1)',
    run: (world, pick) => inventedGrant(world, 'issuer', pick(2) === 1),
  },
  {
    actor,
    name: 'выдаёт доступ от имени владельца ключом, который сам ему выписал',
    control: 'владелец знает только собственные ключи',
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
    name: 'продлевает в регистрации доступ, который у владельца кончился',
    control: 'регистрация не шире подписанного',
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
    name: 'выписывает организации-получателю другой ключ',
    control: 'доступ закреплён за ключом (sub_kid, реш. 2)',
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
    name: 'то же с поддельным заявлением о смене ключа',
    control: 'смену подписывает прежний ключ',
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
    name: 'подменяет список доверия: другой корневой ключ',
    control: 'отпечаток корня закреплён в узле',
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
    name: 'подписывает вторую редакцию того же списка доверия',
    control: 'номер и отпечаток списка',
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
    name: 'показывает старую эпоху, где доступ ещё есть',
    control: 'номер эпохи не убывает',
    async run(world) {
      await revoked(world)
      world.change({ epoch: world.first })
      world.evil.tell(world.holder.oid, 'epoch', { epoch: world.first, grants: [world.grant] })
      return [{}]
    },
  },
  {
    actor,
    name: 'подписывает другую эпоху с тем же номером',
    control: 'улика, тревога, остаётся прежняя',
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
    name: 'подписывает эпоху, которая отрицает предыдущую',
    control: 'улика, тревога, остаётся прежняя',
    alarm: /epoch_equivocation/,
    async run(world) {
      await revoked(world)
      await world.tellEpoch({ epoch: 3, prev: 'ab'.repeat(32) as Sha256, grants: [world.listing] })
      return [{}]
    },
  },
  {
    actor,
    name: 'подтверждает номер эпохи с другим содержанием',
    control: 'улика, тревога, остаётся прежняя',
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
    name: 'подсовывает эпоху другого владельца',
    control: 'адресат эпохи',
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
    name: 'подтверждает эпоху из будущего, чтобы она не устарела',
    control: 'время выпуска не из будущего; T_hard',
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
      await world.holderNode().unlink()
      clock.now += 25 * hour
      await world.holderNode().federation.tick()
      return [{}]
    },
  },
]

const hidden: Attack[] = [
  {
    actor,
    name: 'скрывает отзыв, сделанный владельцем',
    control: 'отзыв владельца действует у него сразу',
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
    name: 'скрывает в эпохе отзыв, который есть в журнале',
    control: 'журнал сильнее эпохи; тревога',
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
    name: 'скрывает приостановление, которое есть в журнале',
    control: 'журнал сильнее эпохи; тревога',
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
    name: 'скрывает отзыв ключа, который есть в журнале',
    control: 'журнал сильнее эпохи; тревога',
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
    name: 'укорачивает журнал, где был отзыв',
    control: 'журнал только растёт; тревога',
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
    name: 'ведёт два журнала и в одном прячет отзыв',
    control: 'узлы сверяют журналы; тревога ≤ 2 ударов; без свидетелей — конец через T_hard',
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
    name: 'показывает владельцу журнал без последних записей',
    control: 'узлы сверяют журналы; тревога ≤ 2 ударов; без свидетелей — конец через T_hard',
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
}

/** A day more in which the registry says each hour that nothing has changed. */
async function afterTheLimit(world: AttackWorld): Promise<Asker[]> {
  for (let at = 0; at < 50; at++) {
    world.clock.now += hour - 60_000
    await world.beat()
  }
  return [{}]
}

export const registryAttacks: Attack[] = [...grants, ...identities, ...epochs, ...hidden]
