import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { cp, rm } from 'node:fs/promises'
import path from 'node:path'
import { verifyBeat, verifyEpoch } from '#protocol/epoch.ts'
import { verifyGrant } from '#protocol/grant.ts'
import { ulid } from '#protocol/ids.ts'
import { createSigner, tokenDigest } from '#protocol/jws.ts'
import { peerIdOf, privateJwk } from '#protocol/keys.ts'
import { createRegion, join, until } from './region.fixture.ts'
import type { Region } from './region.fixture.ts'
import { openLevelStore } from './store/level-store.ts'

const jtiOf = (number: number): string => ulid(number, new Uint8Array(10))
const epochOf = (region: Region, token: string, party = region.holder) =>
  verifyEpoch(token, {
    trust: region.claims.trustList(),
    audience: party.urn,
    now: region.clock.now(),
  })

describe('grants', () => {
  test('the holder signs, the registry countersigns, both sides learn of it, and it survives a restart', async () => {
    await using region = await createRegion()
    const request = await region.sign.grantRequest()
    let granted = ''
    {
      await using registry = await region.start()
      await using holder = await join(region, region.holder, registry)
      await using grantee = await join(region, region.grantee, registry)
      const before = await epochOf(region, (await holder.request('epoch.get', {})).epoch)
      assert.equal(before.claims.epoch, 1)
      ;({ grant: granted } = await holder.request('grant.submit', { request }))
      await until(() => grantee.heard('grants').length > 0, 'the grantee is told')
      await until(() => holder.heard('epoch').length > 0, 'the holder is told')
      assert.deepEqual(grantee.heard('grants').at(-1)?.grants, [{ grant: granted, active: true }])
      const { epoch = '', grants = [] } = holder.heard('epoch').at(-1) ?? {}
      const { claims } = await epochOf(region, epoch)
      assert.deepEqual(grants, [granted])
      assert.ok(claims.epoch > 1)
      assert.equal(claims.prev, before.digest)
      assert.deepEqual(claims.grants, [
        [region.claims.grantRequest().jti, 1, await tokenDigest(granted), 'active'],
      ])
      const facts = await verifyGrant(granted, {
        trust: region.claims.trustList(),
        now: region.clock.now(),
        holderKeyOf: region.holderKeyOf,
      })
      assert.equal(facts.grant.claims.req, request)
      // The answer may have been lost: asking again is the same grant.
      assert.equal((await holder.request('grant.submit', { request })).grant, granted)
    }
    await using registry = await region.start()
    await using holder = await join(region, region.holder, registry)
    await using grantee = await join(region, region.grantee, registry)
    assert.deepEqual((await holder.request('epoch.get', {})).grants, [granted])
    assert.deepEqual((await grantee.request('grant.list', {})).grants, [
      { grant: granted, active: true },
    ])
  })

  test('what the registry may not sign is refused', async () => {
    await using region = await createRegion()
    await using registry = await region.start()
    await using holder = await join(region, region.holder, registry)
    await using stranger = await join(region, region.stranger, registry)
    const { sign, claims, issuer } = region
    const submit = (request: string) => holder.request('grant.submit', { request })
    const request = await sign.grantRequest()
    await assert.rejects(stranger.request('grant.submit', { request }), {
      code: 'token_unknown_key',
    })
    const byRegistry = await issuer.signer.sign('cami-grant-req+jwt', claims.grantRequest())
    await assert.rejects(submit(byRegistry), { code: 'token_unknown_key' })
    const pinned = await sign.grantRequest({ sub_kid: [region.stranger.kid] })
    await assert.rejects(submit(pinned), { code: 'grant_key_unpinned' })
    const both = await sign.grantRequest({ sub_kid: [region.grantee.kid, region.stranger.kid] })
    await assert.rejects(submit(both), { code: 'grant_key_unpinned' })
    const unknown = '1.2.643.5.1.13.13.12.2.42.7777'
    const elsewhere = await sign.grantRequest({
      sub: `oid:${unknown}` as never,
      users: [{ ...claims.grantRequest().users[0], uid: `${unknown}#${jtiOf(1)}` } as never],
    })
    await assert.rejects(submit(elsewhere), { code: 'peer_unknown' })
    await submit(request)
    const changed = await sign.grantRequest({ act: ['view'] })
    await assert.rejects(submit(changed), { code: 'conflict' })
    await submit(await sign.grantRequest({ act: ['view'], ver: 2 }))
    assert.equal((await holder.request('epoch.get', {})).grants.length, 1)
  })

  test('either side, or the operator, ends a grant; others cannot; the epoch and the grantee say so', async () => {
    await using region = await createRegion()
    await using registry = await region.start()
    await using holder = await join(region, region.holder, registry)
    await using grantee = await join(region, region.grantee, registry)
    await using stranger = await join(region, region.stranger, registry)
    const submit = async (jti: string): Promise<string> => {
      const request = await region.sign.grantRequest({ jti })
      await holder.request('grant.submit', { request })
      return jti
    }
    const [one, two, three] = [
      await submit(jtiOf(1)),
      await submit(jtiOf(2)),
      await submit(jtiOf(3)),
    ]
    await assert.rejects(stranger.request('grant.revoke', { jti: one }), { code: 'not_found' })
    await assert.rejects(holder.request('grant.revoke', { jti: jtiOf(4) }), { code: 'not_found' })
    await holder.request('grant.revoke', { jti: one })
    await grantee.request('grant.revoke', { jti: two })
    await registry.revokeGrant(three)
    const { epoch, grants } = await holder.request('epoch.get', {})
    const { claims } = await epochOf(region, epoch)
    assert.deepEqual(
      claims.grants.map(([, , , state]) => state),
      ['revoked', 'revoked', 'revoked'],
    )
    assert.deepEqual(grants, [])
    // Not under the same paper: a new version does not undo what somebody ended.
    const revived = await region.sign.grantRequest({ jti: three, ver: 2 })
    await assert.rejects(holder.request('grant.submit', { request: revived }), { code: 'conflict' })
    const states = (await grantee.request('grant.list', {})).grants
    assert.deepEqual(
      states.map(({ active }) => active),
      [false, false, false],
    )
    await until(() => grantee.heard('grants').length === 6, 'the grantee hears of each change')
  })

  test('a grantee with a new key inherits nothing: old grants pin the old key, new ones the new', async () => {
    await using region = await createRegion()
    await using registry = await region.start()
    await using holder = await join(region, region.holder, registry)
    await using old = await join(region, region.grantee, registry)
    const request = await region.sign.grantRequest()
    await holder.request('grant.submit', { request })
    const key = privateJwk(new Uint8Array(32).fill(77))
    const signer = await createSigner(key)
    const iat = Math.floor(region.clock.now() / 1000)
    const own = { ...region.grantee, key, signer, jwk: signer.jwk }
    const peer_id = peerIdOf(signer.jwk)
    const named = { jti: jtiOf(9), iat, peer_id, cnf: { jwk: signer.jwk } }
    const proven = async (party: typeof own, over = {}) =>
      await region.sign.credential(region.grantee, {
        ...named,
        pop: await region.sign.possession(party, { iat, ...over }),
      })
    const unproven = region.claims.credential(region.grantee, named)
    // A key that nobody has shown to have is not published, nor one that speaks for somebody else.
    const refused = [
      [await region.issuer.signer.sign('cami-mo+jwt', unproven), 'possession_unproven'],
      [await proven(own, { iss: region.stranger.urn }), 'possession_unproven'],
      [await proven({ ...own, ...region.stranger }), 'token_unknown_key'],
      [await proven(own, { iat: iat - 100_000, exp: iat - 50_000 }), 'token_expired'],
    ] as const
    for (const [credential, code] of refused) {
      await assert.rejects(registry.publishCredential(credential), { code })
    }
    await registry.publishCredential(await proven(own))
    await until(() => old.host.peers().length === 0, 'the old key is cut off')
    await using fresh = await join(region, { key }, registry)
    // It is told of the grant, whose request still pins the key that it no longer has.
    const [state] = (await fresh.request('grant.list', {})).grants
    const facts = await verifyGrant(state?.grant ?? '', {
      trust: region.claims.trustList(),
      now: region.clock.now(),
      holderKeyOf: region.holderKeyOf,
    })
    assert.deepEqual(facts.request.claims.sub_kid, [region.grantee.kid])
    const again = await region.sign.grantRequest({ jti: jtiOf(5) })
    await assert.rejects(holder.request('grant.submit', { request: again }), {
      code: 'grant_key_unpinned',
    })
    const pinned = await region.sign.grantRequest({ jti: jtiOf(6), sub_kid: [signer.kid] })
    assert.ok(await holder.request('grant.submit', { request: pinned }))
  })

  test('the newest epoch is confirmed by beats, and renewed before it runs out', async () => {
    await using region = await createRegion()
    await using registry = await region.start({ beatIntervalMs: 20 })
    await using holder = await join(region, region.holder, registry)
    const first = await holder.request('epoch.get', {})
    await until(() => holder.heard('beat').length > 1, 'beats come')
    const expected = { trust: region.claims.trustList(), audience: region.holder.urn }
    const beat = await verifyBeat(holder.heard('beat').at(-1)?.beat ?? '', {
      ...expected,
      now: region.clock.now(),
    })
    assert.equal(beat.claims.sha256, await tokenDigest(first.epoch))
    holder.forget()
    region.clock.advance(13 * 60 * 60 * 1000)
    await until(() => holder.heard('epoch').length > 0, 'a new epoch comes')
    const renewed = await epochOf(region, holder.heard('epoch').at(-1)?.epoch ?? '')
    assert.equal(renewed.claims.prev, await tokenDigest(first.epoch))
  })

  test('a holder whose epoch cannot be read does not keep the beat from the others', async () => {
    await using region = await createRegion()
    await (await region.start())[Symbol.asyncDispose]()
    {
      await using store = await openLevelStore(path.join(region.config.dataDir, 'registry'))
      const put = `epoch/${region.holder.oid}/${'9'.repeat(16)}`
      await store.write([{ put, value: 'not a token' }])
    }
    await using registry = await region.start({ beatIntervalMs: 20 })
    await using holder = await join(region, region.holder, registry)
    await assert.rejects(holder.request('epoch.get', {}))
    await using grantee = await join(region, region.grantee, registry)
    await until(() => grantee.heard('beat').length > 1, 'beats come')
  })

  test('a registry put back from an old copy never gives a used number to another set', async () => {
    await using region = await createRegion()
    const data = region.config.dataDir
    {
      await using registry = await region.start()
      await using holder = await join(region, region.holder, registry)
      await holder.request('epoch.get', {})
    }
    await cp(data, `${data}-copy`, { recursive: true })
    let newest = 0
    {
      await using registry = await region.start()
      await using holder = await join(region, region.holder, registry)
      await holder.request('grant.submit', { request: await region.sign.grantRequest() })
      newest = (await epochOf(region, (await holder.request('epoch.get', {})).epoch)).claims.epoch
    }
    await rm(data, { recursive: true })
    await cp(`${data}-copy`, data, { recursive: true })
    region.clock.advance(60_000)
    await using registry = await region.start()
    await using holder = await join(region, region.holder, registry)
    const jti = jtiOf(8)
    await holder.request('grant.submit', { request: await region.sign.grantRequest({ jti }) })
    const { epoch } = await holder.request('epoch.get', {})
    assert.ok((await epochOf(region, epoch)).claims.epoch > newest)
  })
})
