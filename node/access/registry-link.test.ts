import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import type { Params, Result } from '#protocol/control.ts'
import { ProtocolError, type ErrorCode } from '#protocol/errors.ts'
import { createFederation, listed, now, nowSeconds } from '#protocol/federation.fixture.ts'
import type { Party } from '#protocol/federation.fixture.ts'
import type { DeviceRecord } from '#protocol/device.ts'
import type { IndexItem } from '#protocol/index-log.ts'
import type { RestrictionRecord } from '#protocol/restriction.ts'
import { tokenDigest } from '#protocol/jws.ts'
import { createHost } from '#protocol/transport/host.ts'
import type { Host } from '#protocol/transport/transport.ts'
import { silentLog } from '../log.ts'
import { createPlace } from './federation.fixture.ts'
import { createPeers } from './peers.ts'
import { createRegistryLink } from './registry-link.ts'
import type { RegistryLink } from './registry-link.ts'

type Place = Awaited<ReturnType<typeof createPlace>>

type Answered =
  | 'trust.get'
  | 'directory.get'
  | 'epoch.get'
  | 'grant.list'
  | 'devices.get'
  | 'restrictions.get'

const device: DeviceRecord = {
  id: 'ct',
  aeTitle: 'CT1',
  addresses: ['10.0.0.1'],
  modality: 'CT',
  startDate: '2026-12-01',
  status: 'scheduled',
}
const restriction: RestrictionRecord = {
  number: 'О-1/2026',
  scope: 'both',
  level: 'no_login',
  clause: '8.2.3',
  reason: 'пароли записаны на мониторе',
  remedy: 'сменить пароли',
  start: '2026-11-25',
}

/** What a registry answers, over real libp2p; tests change the answers. */
async function createRegistry(place: Place, listen = '/ip4/127.0.0.1/tcp/0') {
  const { sign, registry } = place
  const grant = await sign.grant()
  const epoch = await sign.epoch([await listed(grant)])
  const beat = await sign.beat(await tokenDigest(epoch))
  const answers: { [M in Answered]: Result<M> } = {
    'trust.get': { trustList: await sign.trustList() },
    'directory.get': { members: await place.everybody() },
    'epoch.get': { epoch, beat, grants: [grant] },
    'grant.list': { grants: [] },
    'devices.get': { devices: [device] },
    'restrictions.get': { restrictions: [] },
  }
  const asked: string[] = []
  const refused = new Set<string>()
  const answer =
    <M extends keyof typeof answers>(method: M) =>
    (): Promise<Result<M>> => {
      asked.push(method)
      return Promise.resolve(answers[method])
    }
  const host = await createHost({
    key: registry.key,
    listen: [listen],
    isAllowed: () => true,
    handlers: {
      hello: () => Promise.resolve({ version: 1 }),
      'trust.get': answer('trust.get'),
      'directory.get': answer('directory.get'),
      'epoch.get': answer('epoch.get'),
      'grant.list': answer('grant.list'),
      'devices.get': answer('devices.get'),
      'restrictions.get': answer('restrictions.get'),
      'grant.revoke': ({ jti }) => {
        asked.push(`grant.revoke ${jti}`)
        if (refused.has(jti)) throw new ProtocolError('unavailable', 'not now')
        return Promise.resolve({})
      },
    },
    clock: () => now,
  })
  return {
    answers,
    asked,
    refused,
    host,
    grant,
    epoch,
    beat,
    [Symbol.asyncDispose]: () => host[Symbol.asyncDispose](),
  }
}

async function createNode(place: Place, registry: readonly string[], party: Party = place.holder) {
  await using stack = new AsyncDisposableStack()
  const federation = stack.use(await place.start(party))
  const world = {
    pushes: 0,
    follows: 0,
    followed: Promise.resolve(),
    items: [] as IndexItem[],
    isHalted: false,
    devices: [] as readonly DeviceRecord[],
    restrictions: [] as readonly RestrictionRecord[],
    minutes: 0,
  }
  const at: { host?: Host; link?: RegistryLink } = {}
  const peers = createPeers({ federation, host: () => at.host })
  const host = stack.use(
    await createHost({
      key: party.key,
      listen: ['/ip4/127.0.0.1/tcp/0'],
      ...peers.greeting,
      onEvent: (peer, event, params) => at.link?.onEvent(peer, event, params),
      onDisconnect: (peer) => at.link?.onDisconnect(peer),
      clock: () => now,
    }),
  )
  at.host = host
  const link = stack.use(
    createRegistryLink({
      host,
      registry,
      federation,
      publisher: {
        push: () => {
          world.pushes += 1
          return Promise.resolve()
        },
      },
      follower: {
        follow: () => {
          world.follows += 1
          return world.followed
        },
        onItems: (items) => world.items.push(...items),
        isHalted: () => world.isHalted,
      },
      orders: {
        devices: async (devices) => void (world.devices = devices),
        restrictions: async (restrictions) => void (world.restrictions = restrictions),
      },
      minutely: async () => void (world.minutes += 1),
      random: (bytes) => new Uint8Array(bytes),
      log: silentLog,
      limits: { reconnectDelayMs: 20, reconnectDelayMsMax: 100 },
    }),
  )
  at.link = link
  const closing = stack.move()
  return {
    federation,
    host,
    link,
    peers,
    world,
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  }
}

async function until(isDone: () => unknown, what: string): Promise<void> {
  const deadline = Date.now() + 60_000
  while (!(await isDone())) {
    if (Date.now() > deadline) throw new Error(`did not happen: ${what}`)
    await new Promise((resolve) => {
      setTimeout(resolve, 5)
    })
  }
}

describe('the link to the registry', () => {
  test('learns everything once it stands, then lives from events', async () => {
    await using place = await createPlace()
    await using registry = await createRegistry(place)
    await using node = await createNode(place, registry.host.addresses())
    await node.link.ready()
    const { federation, world } = node
    assert.ok(federation.status().registry.reachable)
    assert.equal(federation.members().length, 2)
    assert.equal(federation.epochFacts()?.epoch, 1)
    assert.deepEqual([world.pushes, world.follows], [1, 1])

    const connection = registry.host.connection(place.holder.peerId)
    assert.ok(connection)
    const second = await place.sign.epoch([], { epoch: 2, prev: await tokenDigest(registry.epoch) })
    connection.send('epoch', { epoch: second, grants: [] })
    await until(() => federation.epochFacts()?.epoch === 2, 'the epoch')
    const digest = await tokenDigest(second)
    const beat = await place.sign.beat(digest, { epoch: 2, iat: nowSeconds + 30 })
    connection.send('beat', { beat })
    await until(() => federation.epochFacts()?.freshAt === now + 30_000, 'the beat')
    connection.send('directory', { members: [await place.entry(place.grantee)] })
    await until(() => federation.members().length === 1, 'the directory')
    const item: IndexItem = { org: place.grantee.oid, seq: 1, withheld: digest }
    connection.send('index', { items: [item] })
    await until(() => world.items.length === 1, 'the items')
    assert.deepEqual(world.devices, [device])
    connection.send('devices', { devices: [{ ...device, status: 'paused' }] })
    await until(() => world.devices[0]?.status === 'paused', 'the devices')
    connection.send('restrictions', { restrictions: [restriction] })
    await until(() => world.restrictions.length === 1, 'the restrictions')
  })

  test('comes back after the registry has been away, and reports what was ended meanwhile', async () => {
    await using place = await createPlace()
    const first = await createRegistry(place)
    const addresses = first.host.addresses()
    const [listen = ''] = addresses[0]?.split('/p2p/') ?? []
    await using node = await createNode(place, addresses)
    await node.link.ready()
    await first[Symbol.asyncDispose]()
    await until(() => !node.federation.status().registry.reachable, 'the loss is seen')
    const { jti } = place.claims.grantRequest()
    await node.federation.revokeGrant(jti)
    assert.equal(node.federation.heldGrants()[0]?.active, false)
    await using second = await createRegistry(place, listen)
    await until(() => node.federation.status().registry.reachable, 'the link stands again')
    await until(() => node.world.follows === 2, 'the index is followed again')
    assert.ok(second.asked.includes(`grant.revoke ${jti}`))
  })

  test('an ended grant that the registry did not take is reported with the next beat', async () => {
    await using place = await createPlace()
    await using registry = await createRegistry(place)
    await using node = await createNode(place, registry.host.addresses())
    await node.link.ready()
    const { jti } = place.claims.grantRequest()
    registry.refused.add(jti)
    await node.federation.revokeGrant(jti)
    registry.refused.delete(jti)
    registry.host.connection(place.holder.peerId)?.send('beat', { beat: registry.beat })
    await until(
      () => registry.asked.filter((one) => one === `grant.revoke ${jti}`).length === 2,
      'told again',
    )
  })

  test('a log that is not believed, and a beat that is not, do not keep the node from saying what it has to say', async () => {
    await using place = await createPlace()
    await using registry = await createRegistry(place)
    await using node = await createNode(place, registry.host.addresses())
    await node.link.ready()
    const { transparency } = node.federation
    const frozen = new ProtocolError('log_inconsistent', 'frozen at an older state')
    Object.assign(transparency, { beat: () => Promise.reject(frozen) })
    const connection = registry.host.connection(place.holder.peerId)
    connection?.send('beat', { beat: registry.beat })
    await until(() => node.world.minutes === 1, 'said past the log')
    connection?.send('beat', { beat: 'no beat' })
    await until(() => node.world.minutes === 2, 'said past the beat')
  })

  test('a message that is not believed does not keep the rest from being learnt', async () => {
    await using place = await createPlace()
    await using registry = await createRegistry(place)
    registry.answers['epoch.get'].epoch = await place.stranger.signer.sign(
      'cami-epoch+jwt',
      place.claims.epoch([]),
    )
    await using node = await createNode(place, registry.host.addresses())
    await node.link.ready()
    assert.equal(node.federation.epochFacts(), undefined)
    assert.equal(node.federation.members().length, 2)
  })

  test('an epoch that becomes believable while the rest is learnt is asked for again', async () => {
    await using place = await createPlace()
    await using registry = await createRegistry(place)
    const good = registry.answers['epoch.get']
    Object.defineProperty(registry.answers, 'epoch.get', {
      get: () => (registry.asked.includes('grant.list') ? good : { ...good, epoch: 'not yet' }),
    })
    await using node = await createNode(place, registry.host.addresses())
    await node.link.ready()
    assert.notEqual(node.federation.epochFacts(), undefined)
  })

  test('other grants make it follow anew; a halted log is asked for again with a newer directory', async () => {
    await using place = await createPlace()
    await using registry = await createRegistry(place)
    await using node = await createNode(place, registry.host.addresses(), place.grantee)
    await node.link.ready()
    const connection = registry.host.connection(place.grantee.peerId)
    connection?.send('grants', { grants: [{ grant: registry.grant, active: true }] })
    await until(() => node.world.follows === 2, 'followed again')
    node.world.isHalted = true
    connection?.send('directory', { members: await place.everybody() })
    await until(() => node.world.follows === 3, 'followed again')
  })

  test('other grants that come while the first asking is under way make it follow anew', async () => {
    await using place = await createPlace()
    await using registry = await createRegistry(place)
    await using node = await createNode(place, registry.host.addresses(), place.grantee)
    const answer = Promise.withResolvers<void>()
    node.world.followed = answer.promise
    await until(() => node.world.follows === 1, 'the first asking')
    const grants = Promise.withResolvers<void>()
    node.federation.onChange((change) => change === 'grants' && grants.resolve())
    const connection = registry.host.connection(place.grantee.peerId)
    connection?.send('grants', { grants: [{ grant: registry.grant, active: true }] })
    await grants.promise
    // The time after which it asks again has passed.
    await new Promise((resolve) => {
      setTimeout(resolve, 40)
    })
    answer.resolve()
    await until(() => node.world.follows === 2, 'followed again')
  })

  test('events of anyone but the registry are not heard', async () => {
    await using place = await createPlace()
    await using registry = await createRegistry(place)
    await using node = await createNode(place, registry.host.addresses())
    await node.link.ready()
    node.link.onEvent(place.grantee.peerId, 'directory', { members: [] })
    await new Promise((resolve) => {
      setTimeout(resolve, 20)
    })
    assert.equal(node.federation.members().length, 2)
  })

  test('who is switched off is not talked to any more', async () => {
    await using place = await createPlace()
    await using other = await createPlace()
    await using registry = await createRegistry(place)
    registry.answers['directory.get'].members = []
    await using node = await createNode(place, registry.host.addresses())
    await using peer = await createNode(other, registry.host.addresses(), other.grantee)
    await Promise.all([node.link.ready(), peer.link.ready()])
    const members = [
      await place.entry(place.grantee, peer.host.addresses()),
      await place.entry(place.holder, node.host.addresses()),
    ]
    for (const party of [place.holder, place.grantee]) {
      registry.host.connection(party.peerId)?.send('directory', { members })
    }
    await until(() => node.federation.isAllowed(place.grantee.peerId), 'known')
    await until(() => peer.federation.isAllowed(place.holder.peerId), 'known')
    const connection = await node.peers.connect(place.grantee.oid)
    assert.ok(await connection.request('ping', {}))
    const off = { epoch: 2, prev: await tokenDigest(registry.epoch), mo_off: [place.grantee.urn] }
    const epoch = await place.sign.epoch([], off)
    registry.host.connection(place.holder.peerId)?.send('epoch', { epoch, grants: [] })
    await until(() => node.host.connection(place.grantee.peerId) === undefined, 'hung up')
    await assert.rejects(node.peers.connect(place.grantee.oid), { code: 'peer_unknown' })
  })
})

describe('the greeting between nodes', () => {
  const cases: {
    name: string
    hello: (f: Awaited<ReturnType<typeof createFederation>>) => Promise<Partial<Params<'hello'>>>
    code: ErrorCode
  }[] = [
    { name: 'without a credential', hello: () => Promise.resolve({}), code: 'unauthenticated' },
    {
      name: 'with somebody else’s',
      hello: async ({ sign, stranger }) => ({ credential: await sign.credential(stranger) }),
      code: 'peer_mismatch',
    },
    {
      name: 'with a forged one',
      hello: async ({ stranger, claims, grantee }) => ({
        credential: await stranger.signer.sign('cami-mo+jwt', claims.credential(grantee)),
      }),
      code: 'token_unknown_key',
    },
  ]
  for (const { name, hello, code } of cases) {
    test(`${name} is refused`, async () => {
      await using place = await createPlace()
      await using registry = await createRegistry(place)
      await using node = await createNode(place, registry.host.addresses())
      await node.link.ready()
      const said = await hello(place)
      await using caller = await createHost({
        key: place.grantee.key,
        listen: [],
        isAllowed: () => true,
        handlers: {},
        hello: () => ({ version: 1, addresses: [], ...said }),
        clock: () => now,
      })
      const dialled = caller.connect(place.holder.peerId, node.host.addresses())
      await assert.rejects(dialled, { code })
    })
  }
})
