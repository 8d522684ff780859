import path from 'node:path'
import { readFile } from 'node:fs/promises'
import { epochKind, type Epoch } from '#protocol/epoch.ts'
import { grantKind, grantRequestKind } from '#protocol/grant.ts'
import { REGISTRY, Sha256, ulid, urnOf } from '#protocol/ids.ts'
import type { OrganizationOid, PeerIdString, StudyUid, UserId } from '#protocol/ids.ts'
import { createSigner, decodeToken, tokenDigest, type Signer } from '#protocol/jws.ts'
import { exchangeLimits } from '#protocol/limits.ts'
import type { Host } from '#protocol/transport/transport.ts'
import { createKey } from '../../certs/authority.ts'
import { issueCredential } from '../../certs/issue.ts'
import { readKeyFile } from '../../certs/key-file.ts'
import { accountsFile, userIdOf, type SeededAccount } from '../accounts.ts'
import { eventually, signIn, type Client } from '../client.ts'
import { credentialFile, nodeKeyFile } from '../identities.ts'
import { ask } from '../trust/member.fixture.ts'
import { hostWith } from './rogue.fixture.ts'
import { listed, promise, reader, sendCt, Wrong, type World } from './scenario.ts'
import { takeRegistry } from './taken-registry.ts'

/** In which a holder must have noticed what can be noticed. */
const beatsMax = 2

/**
 * A registry that has all of its keys, and none of anybody else's, tries to get one image of crb1 to whom crb1 has not
 * named, or has named no more. Each attempt goes to crb1's node over the network; none may be answered with bytes.
 */
export async function maliciousRegistry(world: World): Promise<string> {
  const stage = await setUp(world)
  await using _ = stage.evil
  let attempts = 0
  for (const [name, attack] of attacks) {
    const before = await denials(stage)
    const answers = await attack(stage)
    const reasons = new Set((await denials(stage)).slice(before.length))
    const reads = answers.filter((answer) => answer === 'read').length
    attempts += answers.length
    console.log(`${name}: ${reads} reads; the holder’s reasons: ${[...reasons].join(', ')}`)
    promise(reads === 0, `${name}: read`)
    promise(reasons.size > 0, `${name}: the holder was not asked`)
  }
  const beats = await forkLog(stage)
  console.log(`shows two histories of its log: alarm at the holder after ${beats} beats`)
  promise((await opens(stage)) !== 'read', 'after the fork: read')
  return `reads 0 of ${attempts + 1} attempts, alarm within ${beats} of ${beatsMax} beats`
}

type Stage = Awaited<ReturnType<typeof setUp>>

const attacks: [string, (stage: Stage) => Promise<string[]>][] = [
  ['invents a grant that the holder has not signed', inventGrant],
  ['enrolls a key of its own for the grantee', enrollAgain],
  ['shows an old epoch that still has the grant', rollBack],
  ['withholds that the holder has revoked', withhold],
]

async function setUp(world: World) {
  const { region, random } = world
  const dataDir = path.dirname(region.file)
  const oidOfKey = (key: string) => region.node(key).organization.oid as OrganizationOid
  const study = await sendCt(world, 'crb1', { slices: 2, size: 64 })
  const okb = await reader(world, 'okb')
  await listed(okb, study)
  const crb1Admin = await signIn(region.node('crb1').url, region.account('crb1', 'mo_admin'))
  const evil = await takeRegistry(region)
  const holder = oidOfKey('crb1')
  const [grant] = evil.viewOf(holder).grants
  if (grant === undefined) throw new Error('crb1 has given nothing')
  const stage = {
    world,
    dataDir,
    evil,
    okb,
    crb1Admin,
    holder,
    grantee: oidOfKey('okb'),
    stranger: oidOfKey('crb2'),
    study: study.uid as StudyUid,
    grant,
    jti: decodeToken(grant, grantKind).claims.jti,
    moment: { clock: { now: Date.now() }, bytes: random.bytes },
  }
  await eventually(
    'all nodes came to the registry in wrong hands',
    async () => evil.host.peers().length === region.description.nodes.length || undefined,
    120_000,
  )
  await comesTo(stage, 'read')
  return stage
}

/** What the named doctor gets at her own node, which asks the holder anew. */
async function opens({ okb, study }: { okb: Client; study: string }): Promise<string> {
  const { status } = await okb.get(`/dicom-web/studies/${study}/metadata`)
  return status === 200 ? 'read' : String(status)
}

/** Why the holder has refused so far, as its audit has it. */
async function denials({ crb1Admin, study }: Stage): Promise<string[]> {
  type Events = { events: { code?: string }[] }
  const path = `/api/audit?study=${study}&outcome=denied&limit=500`
  const { events } = await crb1Admin.json<Events>(path)
  return events.map(({ code }) => code ?? '')
}

const comesTo = (stage: { okb: Client; study: string }, wanted: string): Promise<true> =>
  eventually(
    `her opening answers ${wanted}`,
    async () => (await opens(stage)) === wanted || undefined,
    90_000,
  )

/** Somebody with a node's key, or with any, asks the holder itself. */
async function askHolder(
  { world, evil, holder, study, moment }: Stage,
  given: { host: Host; signer: Signer; oid: OrganizationOid; user: UserId; grant: string },
): Promise<string> {
  const { host, signer, oid, user, grant } = given
  const address = evil.nodes.find((node) => node.oid === holder)?.address ?? ''
  const at = {
    peerId: world.region.node('crb1').peerId as PeerIdString,
    addresses: () => [address],
  }
  moment.clock.now = Date.now()
  const from = { host, user, party: { urn: urnOf(oid), signer } }
  return await ask(moment, { from, at, holder: { urn: urnOf(holder) }, study, grant })
}

async function readerOf({ dataDir }: Stage, key: string, oid: OrganizationOid): Promise<UserId> {
  const accounts = JSON.parse(await readFile(accountsFile(dataDir, key), 'utf8'))
  const found = (accounts as SeededAccount[]).find(({ roles }) => roles.includes('radiologist'))
  if (found === undefined) throw new Error(`${key} has no radiologist`)
  return userIdOf(oid, found)
}

const listingOf = async (
  token: string,
  state: 'active' | 'revoked' = 'active',
): Promise<Epoch['grants'][number]> => {
  const { jti, ver } = decodeToken(token, grantKind).claims
  return [jti, ver, await tokenDigest(token), state]
}

async function epochTaken({ crb1Admin, evil, holder }: Stage): Promise<void> {
  const { epoch } = decodeToken(evil.viewOf(holder).epoch, epochKind).claims
  type Events = { events: { event: string; detail?: string }[] }
  await eventually('the holder has taken the epoch', async () => {
    const { events } = await crb1Admin.json<Events>('/api/audit?event=epoch-accepted&limit=500')
    return events.some(({ detail }) => detail === `epoch ${epoch}`) || undefined
  })
}

/** crb2's doctor is named by a request that the registry has signed in crb1's place. */
async function inventGrant(stage: Stage): Promise<string[]> {
  const { world, dataDir, evil, holder, stranger, grant, moment } = stage
  const key = await readKeyFile(nodeKeyFile(dataDir, 'crb2'))
  const signer = await createSigner(key)
  const user = await readerOf(stage, 'crb2', stranger)
  const honest = decodeToken(decodeToken(grant, grantKind).claims.req, grantRequestKind).claims
  const { form5: _, ...rest } = honest
  const jti = ulid(Date.now(), moment.bytes(10))
  const [named] = honest.users
  if (named === undefined) throw new Error('the grant names nobody')
  const request = {
    ...rest,
    jti,
    sub: urnOf(stranger),
    sub_kid: [signer.kid],
    users: [{ ...named, uid: user }],
  }
  const req = await evil.issuer.sign('cami-grant-req+jwt', request)
  const invented = await evil.issuer.sign('cami-grant+jwt', {
    ...decodeToken(grant, grantKind).claims,
    iss: REGISTRY,
    sub: urnOf(stranger),
    jti,
    req,
  })
  const grants = [await listingOf(grant), await listingOf(invented)]
  await evil.tellEpoch(holder, { grants }, [grant, invented])
  await epochTaken(stage)
  // One key, one peer.
  await world.region.kill('crb2')
  const credential = (await readFile(credentialFile(dataDir, 'crb2'), 'utf8')).trim()
  const answers: string[] = []
  {
    await using host = await hostWith(key, credential)
    answers.push(await askHolder(stage, { host, signer, oid: stranger, user, grant: jti }))
    const under = { host, signer, oid: stranger, user, grant: stage.jti }
    answers.push(await askHolder(stage, under))
  }
  await world.region.start('crb2')
  return answers
}

/** A key of the registry's own making, with a true credential that it is okb's. */
async function enrollAgain(stage: Stage): Promise<string[]> {
  const { dataDir, evil, holder, grantee, moment } = stage
  const key = createKey(moment.bytes(32))
  const signer = await createSigner(key)
  const credential = await issueCredential({
    issuer: evil.issuer,
    oid: grantee,
    name: 'ГАУЗ «Областная клиническая больница» (учебная)',
    jwk: signer.jwk,
    now: Date.now(),
    days: 30,
    random: moment.bytes,
  })
  const theirs = (await readFile(credentialFile(dataDir, 'okb'), 'utf8')).trim()
  const { members } = evil.viewOf(holder)
  const others = members.filter((one) => one.credential !== theirs)
  const shown = [...others, { credential, addresses: [], online: true }]
  evil.change(holder, { members: shown })
  evil.tell(holder, 'directory', { members: shown })
  const user = await readerOf(stage, 'okb', grantee)
  const answers: string[] = []
  {
    await using host = await hostWith(key, credential)
    // The holder hears of the directory in its own time.
    for (let at = 0; at < 10; at++) {
      answers.push(await askHolder(stage, { host, signer, oid: grantee, user, grant: stage.jti }))
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
  }
  evil.change(holder, { members })
  evil.tell(holder, 'directory', { members })
  await comesTo(stage, 'read')
  return [...new Set(answers)]
}

/** The operator has ended the grant, and the registry shows the set from before again. */
async function rollBack(stage: Stage): Promise<string[]> {
  const { evil, holder, grant } = stage
  const before = evil.viewOf(holder)
  await evil.tellEpoch(holder, { grants: [await listingOf(grant, 'revoked')] }, [grant])
  await comesTo(stage, '403')
  const after = evil.viewOf(holder)
  evil.change(holder, { epoch: before.epoch, grants: before.grants })
  evil.tell(holder, 'epoch', { epoch: before.epoch, grants: before.grants })
  await evil.beat()
  const answers = [await opens(stage), await opens(stage)]
  evil.change(holder, { epoch: after.epoch, grants: after.grants })
  // The holder still wants it: listed again it opens, and what follows proves something.
  await evil.tellEpoch(holder, { grants: [await listingOf(grant)] }, [grant])
  await comesTo(stage, 'read')
  return answers
}

/** crb1 revokes; the registry goes on listing the grant in ever newer epochs. */
async function withhold(stage: Stage): Promise<string[]> {
  const { world, crb1Admin, evil, holder, grant, jti } = stage
  const answer = await fetch(`${world.region.node('crb1').url}/api/grants/${jti}`, {
    method: 'DELETE',
    headers: { authorization: `Bearer ${crb1Admin.token}` },
  })
  promise(answer.ok, `the revocation was answered with ${answer.status}`)
  // An answer of a second ago would do for an opening, too.
  await new Promise((resolve) => setTimeout(resolve, exchangeLimits.openingAskMs))
  const answers = [await opens(stage)]
  for (let at = 0; at < 2; at++) {
    await evil.tellEpoch(holder, { grants: [await listingOf(grant)] }, [grant])
    await epochTaken(stage)
    await evil.beat()
    answers.push(await opens(stage))
  }
  return answers
}

/** crb2 is shown that the grant has ended, crb1 something else in that place; gives the beats until crb1 raises an alarm. */
async function forkLog(stage: Stage): Promise<number> {
  const { evil, holder, stranger, jti } = stage
  const at = Math.floor(Date.now() / 1000)
  const { entries } = evil.viewOf(holder)
  const sha256 = Sha256.parse('ab'.repeat(32))
  const ended = { kind: 'grant-end', at, jti, by: 'operator' } as const
  // Honest witnesses sign one of the two at most.
  const fork = { witnesses: [] }
  evil.change(stranger, { ...fork, entries: [...entries, ended] })
  evil.change(holder, { ...fork, entries: [...entries, { kind: 'manifest', at, sha256 }] })
  const alarms = async (): Promise<number> => {
    const crb1 = await reader(stage.world, 'crb1')
    const { transparency } = await crb1.json<{ transparency: { alarms: number } }>('/api/region')
    return transparency.alarms
  }
  const before = await alarms()
  for (let beats = 1; beats <= beatsMax; beats++) {
    for (const oid of [stranger, holder]) {
      evil.tell(oid, 'log', await evil.checkpoints(evil.viewOf(oid)))
    }
    await evil.beat()
    const isRaised = await eventually(
      'an alarm',
      async () => (await alarms()) > before || undefined,
      20_000,
    ).catch(() => false)
    if (isRaised) return beats
  }
  throw new Wrong(`no alarm within ${beatsMax} beats`)
}
