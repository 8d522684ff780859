import path from 'node:path'
import type { Assertion } from '#protocol/assertion.ts'
import { authorizeLocal } from '#protocol/authorize.ts'
import type { OwnUser } from '#protocol/authorize.ts'
import { codeOf } from '#protocol/errors.ts'
import type { Federation as Fixture, Party } from '#protocol/federation.fixture.ts'
import { ulid, UserId } from '#protocol/ids.ts'
import type { PeerIdString, PrivateJwk, StudyUid } from '#protocol/ids.ts'
import { createHost } from '#protocol/transport/host.ts'
import type { HolderStream, Host } from '#protocol/transport/transport.ts'
import { openAuditLog } from '../../node/access/audit-log.ts'
import { openFederation } from '../../node/access/federation.ts'
import { createPeerGate } from '../../node/access/peer-gate.ts'
import { openReadingRate } from '../../node/access/reading-rate.ts'
import { createPeers } from '../../node/access/peers.ts'
import { createRegistryLink, type RegistryLink } from '../../node/access/registry-link.ts'
import { createGossip } from '../../node/access/transparency-gossip.ts'
import { openSubmissions } from '../../node/access/transparency-submissions.ts'
import { createHolder } from '../../node/exchange/holder.ts'
import { silentLog } from '../../node/log.ts'
import type { Archive } from '../../node/archive/archive.ts'
import { createFollower } from '../../node/replica/follower.ts'
import { openPublisher } from '../../node/replica/publisher.ts'
import { openReplica } from '../../node/replica/replica.ts'
import { openRecords } from '../../node/store/records.ts'
import { openBenchArchive } from '../bench/archive-load.ts'

type World = Pick<Fixture, 'sign' | 'authority'> & {
  dir: string
  party: Party
  trustList: string
  witnessKey: (party: Party) => PrivateJwk
  clock: { now: number }
  bytes: (count: number) => Uint8Array
}
export type Target = { peerId: PeerIdString; addresses(): string[] }
export type Lab = Omit<World, 'dir' | 'party'>

export type Member = Awaited<ReturnType<typeof startMember>>

/** What a node is made of between its archive and the others, put together as `node/node.ts` does it. */
export async function startMember(world: World) {
  await using stack = new AsyncDisposableStack()
  const { party, clock, bytes: random } = world
  const { signer, key, oid: self } = party
  const now = (): number => clock.now
  const common = { self, log: silentLog, clock: now, random }
  const kept = await openKept(world, stack)
  const { archive, audit, federation, replica, publisher, submissions } = kept
  const state: { link?: RegistryLink; host?: Host } = {}
  const follower = createFollower({
    replica,
    self,
    log: silentLog,
    keyOf: federation.keyOf,
    visibility: federation.visibility,
    onGap: () => state.link?.refollow(),
  })
  const rate = await openReadingRate(kept.records, federation.now())
  const gate = createPeerGate({ federation, archive, audit, rate, self, log: silentLog })
  const holder = createHolder({ ...common, archive, gate, signer })
  const peers = createPeers({ federation, host: () => state.host })
  const gossip = createGossip({ federation, connect: peers.connect, random, log: silentLog })
  const served: Served[] = []
  const host = stack.use(
    await createHost({
      ...peers.greeting,
      key,
      clock: now,
      listen: ['/ip4/127.0.0.1/tcp/0'],
      handlers: { ...peers.greeting.handlers, ...holder.handlers, ...gossip.handlers },
      onFetch: (stream) => holder.onFetch(observed(stream, served)),
      onEvent: (peer, event, params) => state.link?.onEvent(peer, event, params),
      onDisconnect: (peer) => state.link?.onDisconnect(peer),
    }),
  )
  state.host = host
  stack.defer(() => state.link?.[Symbol.asyncDispose]())
  const user = UserId.parse(`${self}#${ulid(1, new Uint8Array(10))}`)
  const linked = { federation, publisher, follower, ...duties(gossip, submissions) }
  const owned = stack.move()
  return {
    party,
    user,
    served,
    ...kept,
    follower,
    gossip,
    host,
    connect: peers.connect,
    /** Begins to keep the connection to a registry, until `unlink`. */
    link(registry: Target): RegistryLink {
      state.link = createRegistryLink({
        ...common,
        ...linked,
        host,
        registry: registry.addresses(),
      })
      return state.link
    },
    async unlink() {
      await state.link?.[Symbol.asyncDispose]()
      delete state.link
    },
    /** What this node's radiologist gets of its own archive: whether a study opens, and how many bytes it gives. */
    readOwn: (study: StudyUid) => readOwn({ archive, self, now: now() }, { user, study }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** A piece of an instance on its way out. */
export type Served = { want: number; at: number }

const observed = (stream: HolderStream, served: Served[]): HolderStream => ({
  ...stream,
  async data(want, offset, bytes) {
    served.push({ want, at: performance.now() })
    await stream.data(want, offset, bytes)
  },
})

/** What a node does with each beat, and what it is spared here. */
const duties = (
  gossip: ReturnType<typeof createGossip>,
  submissions: Awaited<ReturnType<typeof openSubmissions>>,
): Pick<LinkDeps, 'orders' | 'minutely' | 'limits'> => ({
  orders: { devices: () => Promise.resolve(), restrictions: () => Promise.resolve() },
  minutely: async (request) => {
    await gossip.ask()
    await submissions.submit(request)
  },
  limits: { reconnectDelayMs: 20, reconnectDelayMsMax: 50 },
})
type LinkDeps = Parameters<typeof createRegistryLink>[0]

async function openKept({ dir, party, ...world }: World, stack: AsyncDisposableStack) {
  const { sign, authority, trustList, witnessKey, clock, bytes: random } = world
  const { signer, oid: self } = party
  const now = (): number => clock.now
  const records = stack.use(await openRecords(path.join(dir, 'records')))
  const audit = stack.use(await openAuditLog(path.join(dir, 'audit'), { clock: now }))
  const archive = stack.use(
    await openBenchArchive(path.join(dir, 'archive'), self, { clock: now, quietMs: () => 2 ** 30 }),
  )
  const submissions = await openSubmissions({
    auditHead: audit.head,
    records,
    clock: now,
    log: silentLog,
  })
  const alarms: string[] = []
  const federation = await openFederation({
    self: { oid: self, name: self },
    signer,
    credential: await sign.credential(party),
    trustList,
    authority: authority.kid,
    records,
    dir: path.join(dir, 'federation'),
    clock: now,
    random,
    witnessKey: witnessKey(party),
    hasSubmitted: submissions.hasSubmitted,
    log: silentLog,
    audit: {
      async append(entry) {
        if (entry.event === 'security-alert') alarms.push(`${entry.code}: ${entry.detail ?? ''}`)
        return await audit.append(entry)
      },
    },
  })
  const replica = stack.use(await openReplica({ dir: path.join(dir, 'replica'), log: silentLog }))
  const publisher = stack.use(
    await openPublisher({
      archive,
      rows: replica.rows,
      signer,
      self,
      keyOf: (kid) => federation.keyOf(self, kid),
      clock: now,
      log: silentLog,
    }),
  )
  return { archive, audit, federation, replica, publisher, submissions, records, alarms }
}

async function readOwn(
  { archive, self, now }: { archive: Archive; self: Party['oid']; now: number },
  { user, study }: { user: UserId; study: StudyUid },
): Promise<number> {
  const reader: OwnUser = {
    uid: user,
    organization: self,
    roles: ['radiologist'],
    enabled: true,
    authTime: now,
    amr: ['pwd'],
  }
  const facts = await archive.facts(study)
  const decision = authorizeLocal({
    now,
    self,
    user: reader,
    operation: 'view',
    ...(facts !== undefined && { study: facts }),
  })
  if (!decision.ok) throw new Error(`local reading was refused: ${decision.code}`)
  await using opened = await archive.open(decision.grant)
  let bytes = 0
  for (const { sop } of await opened.instances()) {
    for await (const part of opened.read(sop)) bytes += part.byteLength
  }
  return bytes
}

/** When something is said, and what it is made unlike all else with. */
type Moment = Pick<Lab, 'clock' | 'bytes'>
/** In whose name. */
type Speaker = { party: Pick<Party, 'urn' | 'signer'>; user: UserId }

/** What a holder answers to one asking for a study's manifest over a real stream: `read`, or why not. */
export async function ask(
  lab: Moment,
  given: {
    from: Speaker & Pick<Member, 'host'>
    at: Target
    holder: Pick<Party, 'urn'>
    study: StudyUid
    grant: string
    /** What the assertion says otherwise than it should. */
    over?: Partial<Assertion>
  },
): Promise<string> {
  const { from, at, study } = given
  const token = await assertionOf(lab, given)
  try {
    const connection = await from.host.connect(at.peerId, at.addresses())
    await connection.request('manifest.get', { assertion: token, study })
    return 'read'
  } catch (error) {
    return codeOf(error)
  }
}

export async function assertionOf(
  lab: Moment,
  given: {
    from: Speaker
    holder: Pick<Party, 'urn'>
    study: StudyUid
    grant: string
    over?: Partial<Assertion>
  },
): Promise<string> {
  const { from, holder, study, grant } = given
  const iat = Math.floor(lab.clock.now / 1000)
  return await from.party.signer.sign('cami-access+jwt', {
    iss: from.party.urn,
    sub: from.user,
    aud: holder.urn,
    jti: ulid(lab.clock.now, lab.bytes(10)),
    iat,
    exp: iat + 300,
    grant,
    op: 'view',
    res: study,
    purp: 'interpretation',
    role: 'radiologist',
    pos: '',
    dep: '',
    amr: ['pwd', 'otp'],
    auth_time: iat,
    ws: '',
    sid: '0'.repeat(32),
    ...given.over,
  })
}
