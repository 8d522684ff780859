import { cp, rm } from 'node:fs/promises'
import path from 'node:path'
import { authorizeLocal } from '#protocol/authorize.ts'
import { codeOf } from '#protocol/errors.ts'
import { ulid } from '#protocol/ids.ts'
import type { StudyUid } from '#protocol/ids.ts'
import { acceptIndexItem, emptyHead } from '#protocol/index-log.ts'
import { tokenDigest } from '#protocol/jws.ts'
import { readingLimits } from '#protocol/limits.ts'
import { createScp } from '../../node/dimse/scp.ts'
import { createStoreScu } from '../../node/dimse/scu.ts'
import { silentLog } from '../../node/log.ts'
import { ingestAll, ingestOne } from '../bench/archive-load.ts'
import { createStudySet } from '../bench/study-set.ts'
import { listingOf, type AttackWorld } from './attack-world.fixture.ts'
import { hour } from './lab.fixture.ts'
import type { Attack } from './attack-steps.fixture.ts'

/** Attacks of everybody but the registry (trust.md, 1.3). */

const seconds = (world: AttackWorld): number => Math.floor(world.clock.now / 1000)
/** Of one assertion, whenever it is shown: who replays it can't sign a newer one. */
function madeNow(world: AttackWorld) {
  const at = seconds(world)
  const jti = ulid(world.clock.now, world.bytes(10))
  return { jti, iat: at, exp: at + 300, auth_time: at }
}

const device: Attack[] = [
  {
    actor: 'device or host of the LAN',
    name: 'poses as an apparatus from another address',
    control: 'an apparatus is title and address together',
    run: async (world) => [() => storeFromElsewhere(world)],
  },
  {
    actor: 'device or host of the LAN',
    name: 'overwrites an image under its UID',
    control: 'one UID has one content; quarantine',
    run: async (world) => [() => overwrite(world)],
  },
  {
    actor: 'hostile DICOM file',
    name: 'ends in the middle of the data set',
    control: 'the walk ends exactly at the end, or nothing is acknowledged',
    run: async (world) => [() => storeTorn(world)],
  },
]

async function storeFromElsewhere({ holderNode, holder, clock }: AttackWorld): Promise<string> {
  const registered = {
    id: 'ct-1',
    aeTitle: 'CT1',
    addresses: ['10.9.9.9'],
    modality: 'CT',
    startDate: '2026-01-01',
  }
  await using scp = await createScp({
    host: '127.0.0.1',
    port: 0,
    aeTitle: 'OKB',
    organization: holder.oid,
    devices: [registered],
    quarantineSubnets: [],
    archive: holderNode().archive,
    audit: () => Promise.resolve(),
    log: silentLog,
    clock: () => clock.now,
  })
  await using scu = createStoreScu({
    host: '127.0.0.1',
    port: scp.port,
    callingAe: 'CT1',
    calledAe: 'OKB',
  })
  const set = createStudySet(2)
  const items = set.studies.slice(1).flatMap((one) => [...set.instances(one, 0, 1)])
  try {
    for await (const { status } of scu.store(items)) if (status === 0) return 'read'
    return 'refused'
  } catch {
    return 'association_rejected'
  }
}

async function overwrite({ holderNode, study }: AttackWorld): Promise<string> {
  const node = holderNode()
  const before = await node.readOwn(study)
  const set = createStudySet(1)
  const [other] = set.studies.flatMap((one) => [
    ...set.instances(one, 0, 1, new Uint8Array(4096).fill(9)),
  ])
  if (other === undefined) return 'nothing to store'
  const stored = await ingestOne(node.archive, other).then(
    () => 'stored',
    () => 'quarantined',
  )
  return (await node.readOwn(study)) === before ? stored : 'read'
}

async function storeTorn({ holderNode }: AttackWorld): Promise<string> {
  const set = createStudySet(2)
  const [item] = set.studies.slice(1).flatMap((one) => [...set.instances(one, 0, 1)])
  if (item === undefined) return 'nothing to store'
  const torn = { ...item, dataSet: item.dataSet.subarray(0, item.dataSet.byteLength - 7) }
  return await ingestOne(holderNode().archive, torn).then(
    () => 'read',
    (error: unknown) => {
      const code = codeOf(error)
      return code === 'internal' ? 'quarantined' : code
    },
  )
}

const reader: Attack[] = [
  {
    actor: 'stolen disk',
    name: 'comes with the node’s key after it was revoked',
    control: 'a revoked key is not let in, 60 s after',
    async run(world) {
      const prev = await tokenDigest(world.first)
      await world.tellEpoch({
        epoch: 2,
        prev,
        grants: [world.listing],
        kid_off: [world.grantee.kid],
      })
      return [{}]
    },
  },
  {
    actor: 'compromised node of the grantee',
    name: 'asks for a study that it was not given',
    control: 'scope; one answer for absent and forbidden',
    run: async () => [{ study: '1.2.3.4' as StudyUid }],
  },
  {
    actor: 'compromised node of the grantee',
    name: 'speaks for a doctor who is not named',
    control: 'the named users of form № 5',
    run: async ({ otherUser }) => [{ user: otherUser }],
  },
  {
    actor: 'compromised node of the grantee',
    name: 'speaks for a doctor of another organization',
    control: 'an organization asserts its own users only',
    run: async ({ stranger, user }) => [{ party: stranger, user }],
  },
  {
    actor: 'compromised node of the grantee',
    name: 'does what it was not given to do',
    control: 'the grant’s closed set of operations',
    run: async () => [{ over: { op: 'report' } }],
  },
  {
    actor: 'compromised node of the grantee',
    name: 'takes more than a person reads',
    control: 'the holder’s limit of studies an hour',
    run: drain,
  },
  {
    actor: 'insider doctor',
    name: 'reads without a second factor',
    control: 'policy of the trust list',
    run: async () => [{ over: { amr: ['pwd'] } }],
  },
  {
    actor: 'insider doctor',
    name: 'reads on a sign-in older than a shift',
    control: 'a sign-in is 12 h old at most',
    run: async (world) => [{ over: { auth_time: seconds(world) - 12 * 3600 } }],
  },
  {
    actor: 'insider doctor',
    name: 'looks without a consultation at what is given by request',
    control: 'scope by_request',
    run: byRequest,
  },
  {
    actor: 'insider administrator',
    name: 'opens images of the own organization',
    control: 'a role without images',
    run: async (world) => [() => openAsAdministrator(world)],
  },
]

async function drain(world: AttackWorld) {
  const set = createStudySet(readingLimits.studiesPerUserHour + 1)
  await ingestAll(
    world.holderNode().archive,
    set.studies.slice(1).flatMap((one) => [...set.instances(one, 0, 1)]),
  )
  // One has been read before the attack began.
  for (const { study } of set.studies.slice(1, readingLimits.studiesPerUserHour)) {
    const answer = await world.ask({ study: study as StudyUid })
    if (answer !== 'read') throw new Error(`within the limit: ${answer}`)
  }
  return [{ study: set.studies.at(-1)?.study as StudyUid }]
}

async function byRequest(world: AttackWorld) {
  const jti = '01KB0000000000000000000088'
  const scope = { ...world.wide.scope, mode: 'by_request' as const }
  const grant = await world.sign.grant({ jti }, { jti, scope })
  const prev = await tokenDigest(world.first)
  const grants = [world.listing, await listingOf(grant)]
  await world.tellEpoch({ epoch: 2, prev, grants }, [world.grant, grant])
  return [{ grant: jti }]
}

async function openAsAdministrator({ holderNode, holder, study, clock }: AttackWorld) {
  const { archive, user } = holderNode()
  const facts = await archive.facts(study)
  const decision = authorizeLocal({
    now: clock.now,
    self: holder.oid,
    user: {
      uid: user,
      organization: holder.oid,
      roles: ['mo_admin'],
      enabled: true,
      authTime: clock.now,
      amr: ['pwd', 'otp'],
    },
    operation: 'view',
    ...(facts !== undefined && { study: facts }),
  })
  return decision.ok ? 'read' : decision.code
}

const network: Attack[] = [
  {
    actor: 'network',
    name: 'a stranger connects',
    control: 'the connection’s key is of an active credential',
    run: async ({ thief }) => [{ party: thief }],
  },
  {
    actor: 'network',
    name: 'shows another’s assertion over its own connection',
    control: 'an assertion works over its signer’s connection',
    run: async ({ stranger }) => [{ key: stranger }],
  },
  {
    actor: 'network',
    name: 'replays an assertion',
    control: 'each works once',
    async run(world) {
      const over = madeNow(world)
      if ((await world.ask({ over })) !== 'read') throw new Error('the first time it opens')
      return [{ over }, { over }]
    },
  },
  {
    actor: 'network',
    name: 'replays an assertion after the node has restarted',
    control: 'none made before the start is taken',
    async run(world) {
      const over = madeNow(world)
      if ((await world.ask({ over })) !== 'read') throw new Error('the first time it opens')
      world.clock.now += 2000
      await world.restartHolder()
      return [{ over }]
    },
  },
  {
    actor: 'network',
    name: 'cuts the registry off, so that no end arrives',
    control: 'closed after 24 h',
    async run(world) {
      await world.cutOffHolder()
      world.clock.now += 24 * hour
      await world.holderNode().federation.tick()
      return [{}]
    },
  },
  {
    actor: 'malicious peer node',
    name: 'writes index rows of another holder',
    control: 'a row is signed by its holder',
    run: async (world) => [() => writeForeignRow(world)],
  },
  {
    actor: 'malicious peer node',
    name: 'sends garbage for an assertion',
    control: 'size, form, one answer',
    run: async (world) => [
      () => sendGarbage(world, 'x'.repeat(5000)),
      () => sendGarbage(world, 'a.b.c'),
    ],
  },
]

async function writeForeignRow({ sign, stranger, holder, claims }: AttackWorld): Promise<string> {
  const honest = { org: holder.oid, head: emptyHead, keyOf: () => holder.jwk }
  await acceptIndexItem({ org: holder.oid, seq: 1, entry: await sign.indexEntry() }, honest)
  const entry = await stranger.signer.sign('cami-index+jwt', claims.indexEntry())
  const keyOf = (kid: string) => (kid === stranger.kid ? stranger.jwk : undefined)
  const asHolder = acceptIndexItem({ org: holder.oid, seq: 1, entry }, honest)
  const asItself = acceptIndexItem(
    { org: stranger.oid, seq: 1, entry },
    { org: stranger.oid, head: emptyHead, keyOf },
  )
  const answers = await Promise.all(
    [asHolder, asItself].map((one) => one.then(() => 'read', codeOf)),
  )
  return answers.includes('read') ? 'read' : (answers[0] ?? '')
}

async function sendGarbage(world: AttackWorld, assertion: string): Promise<string> {
  const { host } = await world.hostOf(world.grantee)
  const at = world.holderNode().host
  const connection = await host.connect(at.peerId, at.addresses())
  return await connection
    .request('manifest.get', { assertion, study: world.study })
    .then(() => 'read', codeOf)
}

const past: Attack[] = [
  {
    actor: 'replay of old state',
    name: 'puts the node’s database back to before the end',
    control: 'the epoch’s mark in a file of its own',
    run: restoreCopy,
  },
  {
    actor: 'clock',
    name: 'goes back 48 h, to when there was access',
    control: 'time does not go back; closed until mended',
    async run(world) {
      const { clock } = world
      await world.cutOffHolder()
      const ends = clock.now + 25 * hour
      clock.now = ends
      await world.holderNode().federation.tick()
      clock.now = ends - 48 * hour
      await world.holderNode().federation.tick()
      const at = Math.floor(ends / 1000)
      return [{}, { over: { iat: at, exp: at + 300, auth_time: at } }]
    },
  },
]

async function restoreCopy(world: AttackWorld) {
  const folder = path.join(world.dir, world.holder.oid)
  const records = path.join(folder, 'records')
  await world.stopHolder()
  await cp(records, `${records}-copy`, { recursive: true })
  await world.startHolder()
  const prev = await tokenDigest(world.first)
  const grants = [await listingOf(world.grant, 'revoked')]
  await world.tellEpoch({ epoch: 2, prev, grants })
  await world.beat()
  await world.stopHolder()
  await rm(records, { recursive: true })
  await cp(`${records}-copy`, records, { recursive: true })
  // The registry shows the old state, too.
  world.change({ epoch: world.first })
  await world.startHolder()
  return [{}]
}

export const peerAttacks: Attack[] = [...device, ...reader, ...network, ...past]
