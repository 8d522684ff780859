import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { chmod } from 'node:fs/promises'
import { ulid } from '#protocol/ids.ts'
import { verifyEpoch } from '#protocol/epoch.ts'
import { studyRecord } from '#protocol/federation.fixture.ts'
import { acceptIndexItem, emptyHead } from '#protocol/index-log.ts'
import { tokenDigest } from '#protocol/jws.ts'
import { privateJwk } from '#protocol/keys.ts'
import { silentLog } from './log.ts'
import { createIndexWriter, createRegion, join, until } from './region.fixture.ts'
import type { Region } from './region.fixture.ts'
import { createRegistry } from './registry.ts'

const jtiOf = (number: number): string => ulid(number, new Uint8Array(10))
const epochOf = (region: Region, token: string, party = region.holder) =>
  verifyEpoch(token, {
    trust: region.claims.trustList(),
    audience: party.urn,
    now: region.clock.now(),
  })

describe('who may speak', () => {
  test('a key without a published credential is not let in', async () => {
    await using region = await createRegion()
    await using registry = await region.start()
    const nobody = { key: privateJwk(new Uint8Array(32).fill(99)) }
    await assert.rejects(join(region, nobody, registry), { code: 'holder_unreachable' })
  })

  test('members get the trust list and a directory that shows who is connected and where', async () => {
    await using region = await createRegion()
    await using registry = await region.start()
    await using holder = await join(region, region.holder, registry)
    await using grantee = await join(region, region.grantee, registry)
    const { trustList } = await holder.request('trust.get', {})
    assert.equal(await tokenDigest(trustList), await tokenDigest(await region.sign.trustList()))
    const { members } = await holder.request('directory.get', {})
    assert.deepEqual(
      members.map(({ online, addresses }) => [online, addresses]),
      [
        [true, holder.host.addresses()],
        [true, grantee.host.addresses()],
        [false, []],
      ],
    )
    await until(() => holder.heard('directory').length > 0, 'the arrival is announced')
  })

  test('a suspended organization is cut off, in every epoch, and comes back when it is lifted', async () => {
    await using region = await createRegion()
    await using registry = await region.start()
    await using holder = await join(region, region.holder, registry)
    await using grantee = await join(region, region.grantee, registry)
    await holder.request('epoch.get', {})
    await registry.suspend(region.grantee.oid)
    await until(() => grantee.host.peers().length === 0, 'the connection ends')
    await until(() => holder.heard('epoch').length > 0, 'the holder is told')
    const { claims } = await epochOf(region, holder.heard('epoch').at(-1)?.epoch ?? '')
    assert.deepEqual(claims.mo_off, [region.grantee.urn])
    await assert.rejects(join(region, region.grantee, registry))
    await registry.suspend(region.grantee.oid, false)
    await using again = await join(region, region.grantee, registry)
    assert.ok(await again.request('ping', {}))
  })
})

test('the configuration suspends for as long as it says so, and a late or expired credential stops nobody', async () => {
  await using region = await createRegion()
  const { holder, grantee } = region
  const deps = { clock: region.clock.now, log: silentLog }
  {
    const suspended = { ...region.config, suspended: [grantee.oid] }
    await using registry = await createRegistry(suspended, deps)
    await using node = await join(region, holder, registry)
    const { claims } = await epochOf(region, (await node.request('epoch.get', {})).epoch)
    assert.deepEqual(claims.mo_off, [grantee.urn])
    const later = { iat: Math.floor(region.clock.now() / 1000), jti: jtiOf(3) }
    await registry.publishCredential(await region.sign.credential(holder, later))
  }
  await using registry = await region.start()
  await using node = await join(region, holder, registry)
  const { claims } = await epochOf(region, (await node.request('epoch.get', {})).epoch)
  assert.deepEqual(claims.mo_off, [])
})

describe('index logs', () => {
  test('entries are kept as signed; a repeated push changes nothing; the head goes on after a restart', async () => {
    await using region = await createRegion()
    const next = createIndexWriter(region, region.holder)
    const entries = [await next(), await next(), await next()]
    const last = { seq: 3, digest: await tokenDigest(entries[2] ?? '') }
    {
      await using registry = await region.start()
      await using holder = await join(region, region.holder, registry)
      assert.deepEqual(await holder.request('index.head', {}), emptyHead)
      const [first = '', ...rest] = entries
      assert.deepEqual(await holder.request('index.push', { entries: [first] }), { seq: 1 })
      assert.deepEqual(await holder.request('index.push', { entries: [first, ...rest] }), {
        seq: 3,
      })
      assert.deepEqual(await holder.request('index.push', { entries }), { seq: 3 })
      assert.deepEqual(await holder.request('index.head', {}), last)
      assert.deepEqual(await holder.request('index.own', { after: 1 }), { entries: rest })
      assert.deepEqual(await holder.request('index.own', { after: 3 }), { entries: [] })
    }
    await using registry = await region.start()
    await using holder = await join(region, region.holder, registry)
    assert.deepEqual(await holder.request('index.head', {}), last)
  })

  test('gaps, other content under a known number, and other organizations’ entries are refused whole', async () => {
    await using region = await createRegion()
    await using registry = await region.start()
    await using holder = await join(region, region.holder, registry)
    await using stranger = await join(region, region.stranger, registry)
    const next = createIndexWriter(region, region.holder)
    const [one, two, three] = [await next(), await next(), await next()]
    const push = (entries: string[]) => holder.request('index.push', { entries })
    await assert.rejects(push([two]), { code: 'log_gap' })
    await assert.rejects(push([one, three]), { code: 'log_gap' })
    assert.deepEqual(await holder.request('index.head', {}), emptyHead)
    await push([one, two])
    const forked = await createIndexWriter(region, region.holder)({ iat: 1_800_000_000 - 1 })
    await assert.rejects(push([forked]), { code: 'log_fork' })
    const foreign = { entries: [one] }
    await assert.rejects(stranger.request('index.push', foreign), { code: 'token_unknown_key' })
    const claimed = await createIndexWriter(region, region.stranger)({ org: region.holder.urn })
    const asHolder = stranger.request('index.push', { entries: [claimed] })
    await assert.rejects(asHolder, { code: 'log_foreign' })
    assert.equal((await holder.request('index.head', {})).seq, 2)
    assert.deepEqual(await stranger.request('index.head', {}), emptyHead)
  })

  test('a follower gets what was there and what comes, in order, once; a verified chain to the head', async () => {
    await using region = await createRegion()
    await using registry = await region.start()
    await using holder = await join(region, region.holder, registry)
    await using grantee = await join(region, region.grantee, registry)
    await holder.request('grant.submit', { request: await region.sign.grantRequest() })
    const next = createIndexWriter(region, region.holder)
    const push = async (count: number): Promise<void> => {
      const entries: string[] = []
      for (let i = 0; i < count; i++) entries.push(await next())
      await holder.request('index.push', { entries })
    }
    await push(60)
    await push(60)
    const pushing = push(60)
    await grantee.request('index.follow', { after: { [region.holder.oid]: 10 } })
    await pushing
    await push(5)
    await until(() => grantee.items().length >= 175, 'all entries come')
    const seqs = grantee.items().map(({ seq }) => seq)
    assert.deepEqual(
      seqs,
      Array.from({ length: 175 }, (_, i) => i + 11),
    )
  })

  test('what active grants do not cover travels as a digest, and the chain still proves it', async () => {
    await using region = await createRegion()
    await using registry = await region.start()
    await using holder = await join(region, region.holder, registry)
    await using grantee = await join(region, region.grantee, registry)
    await using stranger = await join(region, region.stranger, registry)
    await holder.request('grant.submit', { request: await region.sign.grantRequest() })
    const next = createIndexWriter(region, region.holder)
    const other = { ...studyRecord, study: '1.2.3' as typeof studyRecord.study, modalities: ['DX'] }
    const entries = [
      await next(),
      await next({ kind: 'study', record: other }),
      await next({ kind: 'study-removed', record: { study: other.study } }),
      await next({ kind: 'study-removed', record: { study: studyRecord.study } }),
    ]
    await holder.request('index.push', { entries })
    await grantee.request('index.follow', { after: {} })
    await stranger.request('index.follow', { after: {} })
    await until(() => grantee.items().length === 4, 'the grantee gets all numbers')
    await until(() => stranger.items().length === 4, 'the stranger gets all numbers')
    const shown = grantee.items().map((item) => 'entry' in item)
    assert.deepEqual(shown, [true, false, false, true])
    assert.ok(stranger.items().every((item) => 'withheld' in item))
    let head = emptyHead
    const { oid: org, kid, jwk } = region.holder
    const keyOf = (asked: string) => (asked === kid ? jwk : undefined)
    for (const item of grantee.items())
      ({ head } = await acceptIndexItem(item, { org, head, keyOf }))
    assert.equal(head.seq, 4)
    // Nobody's own log comes back.
    assert.equal(holder.items().length, 0)
  })
})

test('health says who is connected; a key that others can read, or that is not in the trust list, stops the start', async () => {
  await using region = await createRegion()
  {
    await using registry = await region.start()
    await using holder = await join(region, region.holder, registry)
    const answer = await fetch(`${registry.url}/health`)
    assert.deepEqual(await answer.json(), {
      status: 'ok',
      peerId: registry.peerId,
      members: 3,
      online: 1,
    })
    assert.ok(holder.host)
  }
  const deps = { clock: region.clock.now, log: silentLog }
  const swapped = { ...region.config, issuerKeyFile: region.config.keyFile }
  await assert.rejects(createRegistry(swapped, deps), { code: 'configuration_invalid' })
  await chmod(region.config.keyFile, 0o644)
  await assert.rejects(createRegistry(region.config, deps), { code: 'configuration_invalid' })
})
