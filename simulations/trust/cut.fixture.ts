import { codeOf } from '#protocol/errors.ts'
import { ulid } from '#protocol/ids.ts'
import type { SopUid, StudyUid } from '#protocol/ids.ts'
import { tokenDigest } from '#protocol/jws.ts'
import { createChance, type Chance } from '#protocol/volume.fixture.ts'
import { ingestAll } from '../bench/archive-load.ts'
import { createStudySet } from '../bench/study-set.ts'
import { createAttackWorld, listingOf, type AttackWorld } from './attack-world.fixture.ts'
import { assertionOf } from './member.fixture.ts'

const instances = 24
const instanceBytes = 200_000
const perWorld = 20
const ways = ['holder', 'epoch', 'user', 'organization', 'key'] as const

export type CutFigures = {
  cuts: number
  /** Of which anything went out after the node knew of the end. */
  instancesAfterMax: number
  /** From knowing it to the end of the stream. */
  msMax: number
  /** All had gone out before the end was known; nothing was cut then. */
  tooLate: number
  wrong: string[]
}

/** T13: the grant under a running transfer ends, in every way in which it can. */
export async function cutRepeatedly(cuts: number, seed: number): Promise<CutFigures> {
  const figures: CutFigures = { cuts: 0, instancesAfterMax: 0, msMax: 0, tooLate: 0, wrong: [] }
  for (let done = 0; done < cuts; done += perWorld) {
    const chance = createChance(seed + done)
    await using world = await createAttackWorld(seed + done)
    const study = await addStudy(world)
    const epochs = { number: 1, last: world.first }
    for (let at = 0; at < Math.min(perWorld, cuts - done); at++) {
      await cutOne({ world, chance, study, epochs, figures })
    }
  }
  return figures
}

type Cut = {
  world: AttackWorld
  chance: Chance
  study: { uid: StudyUid; sops: SopUid[] }
  epochs: { number: number; last: string }
  figures: CutFigures
}

async function addStudy(world: AttackWorld): Promise<Cut['study']> {
  const [, one] = createStudySet(2).studies
  if (one === undefined) throw new Error('no study')
  const pixels = new Uint8Array(instanceBytes)
  const items = [...createStudySet(2).instances(one, 0, instances, pixels)]
  await ingestAll(world.holderNode().archive, items)
  return { uid: one.study as StudyUid, sops: items.map(({ sopUid }) => sopUid as SopUid) }
}

/** A grant of its own for each cut, and the set that lists it and nothing that is over. */
async function begin({ world, epochs, chance }: Cut) {
  const jti = ulid(world.clock.now, world.bytes(10))
  const grant = await world.sign.grant({ jti }, { ...world.wide, jti })
  const listing = await listingOf(grant)
  await next({ world, epochs }, { grants: [listing] }, [grant])
  return { jti, grant, revoked: await listingOf(grant, 'revoked'), way: chance.pick(ways) }
}

async function next(
  { world, epochs }: Pick<Cut, 'world' | 'epochs'>,
  over: Parameters<AttackWorld['tellEpoch']>[0],
  grants: string[],
): Promise<void> {
  const prev = await tokenDigest(epochs.last)
  epochs.number += 1
  const changed = known(world, 'epoch')
  epochs.last = await world.tellEpoch({ epoch: epochs.number, prev, ...over }, grants)
  await changed
}

/** Resolves when the holder's node has taken a change in. */
function known({ holderNode }: AttackWorld, what: 'epoch' | 'grants'): Promise<number> {
  return new Promise((resolve) => {
    const stop = holderNode().federation.onChange((change) => {
      if (change !== what) return
      stop()
      resolve(performance.now())
    })
  })
}

async function cutOne(cut: Cut): Promise<void> {
  const { world, chance, study, figures } = cut
  const node = world.holderNode()
  const { jti, grant, revoked, way } = await begin(cut)
  const stream = await openStream(cut, jti)
  for (const [want, sop] of study.sops.entries()) {
    stream.want({ want: want + 1, sop, offset: 0, rank: want })
  }
  stream.credit(2 * instanceBytes)
  node.served.length = 0
  const after = 1 + chance.below(instances / 2)
  let end: Promise<number> | undefined
  let finished = 0
  let code = ''
  try {
    for await (const frame of stream.frames()) {
      if (frame.type === 'data') stream.credit(frame.bytes.byteLength)
      else finished += 1
      if (finished >= after) end ??= endGrant(cut, { way, jti, grant, revoked })
      if (finished === instances) break
    }
  } catch (error) {
    code = codeOf(error)
  }
  const over = performance.now()
  if (end === undefined) throw new Error(`the stream ended by itself: ${code}`)
  const at = await end
  await stream.close().catch(() => undefined)
  figures.cuts += 1
  if (finished === instances) return void (figures.tooLate += 1)
  const later = new Set(node.served.filter((one) => one.at > at).map(({ want }) => want))
  figures.instancesAfterMax = Math.max(figures.instancesAfterMax, later.size)
  figures.msMax = Math.max(figures.msMax, Math.round(over - at))
  if (code !== 'forbidden' && code !== 'stream_closed') figures.wrong.push(`${way}: ${code}`)
}

async function openStream({ world, study }: Cut, jti: string) {
  const { grantee, holder, user } = world
  const { host } = await world.hostOf(grantee)
  const at = world.holderNode().host
  const from = { party: grantee, user }
  const assertion = await assertionOf(world, { from, holder, study: study.uid, grant: jti })
  const connection = await host.connect(at.peerId, at.addresses())
  return await connection.openFetch({ assertion, study: study.uid, priority: 'interactive' })
}

async function endGrant(
  cut: Cut,
  given: {
    way: (typeof ways)[number]
    jti: string
    grant: string
    revoked: Awaited<ReturnType<typeof listingOf>>
  },
): Promise<number> {
  const { world } = cut
  const { way, jti, grant, revoked } = given
  if (way === 'holder') {
    const heard = known(world, 'grants')
    await world.holderNode().federation.revokeGrant(jti)
    return await heard
  }
  const heard = known(world, 'epoch')
  const listing = await listingOf(grant)
  const over = {
    epoch: { grants: [revoked] },
    user: { grants: [listing], users_off: [world.user] },
    organization: { grants: [listing], mo_off: [world.grantee.urn] },
    key: { grants: [listing], kid_off: [world.grantee.kid] },
  }[way]
  await next(cut, over, [grant])
  return await heard
}
