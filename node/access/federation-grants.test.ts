import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import path from 'node:path'
import type { Epoch } from '#protocol/epoch.ts'
import { now, studyRecord } from '#protocol/federation.fixture.ts'
import { REGISTRY } from '#protocol/ids.ts'
import { createSigner, tokenDigest } from '#protocol/jws.ts'
import { privateJwk } from '#protocol/keys.ts'
import { createPlace } from './federation.fixture.ts'
import type { RegistryAccess } from './federation.ts'
import { createFetchedDecision } from './fetched.ts'
import type { SessionUser } from './session-user.ts'

const hour = 60 * 60 * 1000

describe('grants', () => {
  test('a grant that the registry makes without the holder’s signature is not believed by either side', async () => {
    await using place = await createPlace()
    const { claims, issuer, stranger } = place
    const { jti } = claims.grantRequest()
    {
      await using holder = await place.start()
      for (const [at, forger] of [issuer, stranger].entries()) {
        const request = await forger.signer.sign('cami-grant-req+jwt', claims.grantRequest())
        const grant = await issuer.signer.sign('cami-grant+jwt', claims.grant(request))
        const prev = '00'.repeat(32) as never
        const epoch = await place.epochWith(grant, at === 0 ? {} : { epoch: 5, prev })
        await holder.intake.epoch({ epoch, grants: [grant] })
        assert.ok(holder.epochFacts()?.grants.has(jti))
        assert.equal(holder.heldGrant(jti), undefined)
      }
    }
    await rm(path.join(place.dir, 'records'), { recursive: true })
    await rm(path.join(place.dir, 'epoch-high-water.json'))
    await using grantee = await place.start(place.grantee)
    await grantee.intake.directory(await place.everybody())
    const request = await issuer.signer.sign('cami-grant-req+jwt', claims.grantRequest())
    const grant = await issuer.signer.sign('cami-grant+jwt', claims.grant(request))
    await grantee.intake.grants([{ grant, active: true }])
    assert.deepEqual(grantee.receivedGrants(), [])
  })

  test('a grantee that got a new key is not served by a grant that pins the old one', async () => {
    await using place = await createPlace()
    const { claims, sign, grantee } = place
    await using node = await place.start(grantee)
    await node.intake.directory(await place.everybody())
    await node.intake.grants([{ grant: await sign.grant(), active: true }])
    const user: SessionUser = {
      uid: place.user,
      organization: grantee.oid,
      roles: ['radiologist'],
      enabled: true,
      authTime: now - hour,
      amr: ['pwd', 'otp'],
      login: 'petrova',
      name: 'Петрова',
      position: 'врач-рентгенолог',
      department: 'ОЛД',
      workstation: 'ws-17',
      address: '127.0.0.1',
      session: 'ab'.repeat(32),
      expiresAt: now + hour,
    }
    const study = { holder: place.holder.oid, record: studyRecord }
    const before = createFetchedDecision({
      self: grantee.oid,
      selfKid: grantee.kid,
      federation: node,
    })(user, study, 'view')
    assert.ok(before.ok)
    const fresh = await createSigner(privateJwk(new Uint8Array(32).fill(50)))
    const after = createFetchedDecision({
      self: grantee.oid,
      selfKid: fresh.kid,
      federation: node,
    })(user, study, 'view')
    assert.deepEqual(after, { ok: false, code: 'grant_key_unpinned' })
    assert.equal(claims.grantRequest().sub_kid[0], grantee.kid)
  })

  test('giving a grant pins the grantee’s current key and goes through the registry; without it, it waits', async () => {
    await using place = await createPlace()
    const { grantee, holder, issuer, claims } = place
    await using node = await place.start()
    await node.intake.directory(await place.everybody())
    const input = {
      grantee: grantee.oid,
      users: [{ uid: place.user, pos: 'врач', dep: 'ОЛД', room: '304' }],
    }
    await assert.rejects(node.createGrant(input), { code: 'unavailable' })
    await assert.rejects(node.createGrant({ ...input, grantee: holder.oid }), {
      code: 'peer_unknown',
    })
    let signed = ''
    const registry: RegistryAccess = {
      request: (async (method: string, params: { request: string }) => {
        assert.equal(method, 'grant.submit')
        const [, body = ''] = params.request.split('.')
        const request = JSON.parse(Buffer.from(body, 'base64url').toString('utf8')) as typeof over
        const over = { jti: '', iat: 0, nbf: 0, exp: 0, sub_kid: [''] }
        assert.deepEqual(request.sub_kid, [grantee.kid])
        const { jti, iat, nbf, exp } = request
        const grant = claims.grant(params.request, { jti, iat, nbf, exp })
        signed = await issuer.signer.sign('cami-grant+jwt', grant)
        return { grant: signed }
      }) as never,
      async refresh() {
        const { jti } = JSON.parse(
          Buffer.from(signed.split('.')[1] ?? '', 'base64url').toString('utf8'),
        ) as { jti: string }
        const row: Epoch['grants'] = [[jti, 1, await tokenDigest(signed), 'active']]
        await node.intake.epoch({ epoch: await place.sign.epoch(row), grants: [signed] })
      },
    }
    node.intake.registry(registry)
    const { jti } = await node.createGrant(input)
    assert.equal(node.heldGrant(jti)?.request.claims.aud, REGISTRY)
    assert.equal(node.heldGrants()[0]?.active, true)
  })

  test('ending a grant closes it here at once, whatever the registry says, and is reported when it is back', async () => {
    await using place = await createPlace()
    const { claims, sign } = place
    const grant = await sign.grant()
    const { jti } = claims.grantRequest()
    const epoch = await place.epochWith(grant)
    {
      await using node = await place.start()
      await node.intake.epoch({ epoch, grants: [grant] })
      await node.revokeGrant(jti)
      assert.equal(node.epochFacts()?.grants.get(jti)?.active, false)
      await assert.rejects(node.revokeGrant('01KB0000000000000000000099'), { code: 'not_found' })
    }
    await using node = await place.start()
    assert.equal(node.epochFacts()?.grants.get(jti)?.active, false)
    const told: unknown[] = []
    node.intake.registry({
      request: ((method: string, params: unknown) => {
        told.push([method, params])
        return Promise.resolve({})
      }) as never,
      refresh: () => Promise.resolve(),
    })
    await node.intake.report()
    await node.intake.report()
    assert.deepEqual(told, [['grant.revoke', { jti }]])
  })

  test('an ended grant that the registry does not take keeps it from hearing of no other', async () => {
    await using place = await createPlace()
    const { sign } = place
    const jtis = ['01KB0000000000000000000001', '01KB0000000000000000000002']
    const grants = await Promise.all(jtis.map((jti) => sign.grant({ jti }, { jti })))
    const epoch = await sign.epoch(
      await Promise.all(
        grants.map(async (grant, at): Promise<Epoch['grants'][number]> => {
          return [jtis[at] ?? '', 1, await tokenDigest(grant), 'active']
        }),
      ),
    )
    await using node = await place.start()
    await node.intake.epoch({ epoch, grants })
    for (const jti of jtis) await node.revokeGrant(jti)
    const told: string[] = []
    node.intake.registry({
      request: ((_: string, { jti }: { jti: string }) => {
        told.push(jti)
        return jti === jtis[0] ? Promise.reject(new Error('not this one')) : Promise.resolve({})
      }) as never,
      refresh: () => Promise.resolve(),
    })
    await assert.rejects(node.intake.report(), /not this one/)
    await assert.rejects(node.intake.report(), /not this one/)
    assert.deepEqual(told, [...jtis, jtis[0]])
  })
})

describe('members', () => {
  test('only valid credentials name members; a key has one organization; who is left out is no member any more', async () => {
    await using place = await createPlace()
    const { sign, grantee, stranger, claims } = place
    await using node = await place.start()
    const forged = await stranger.signer.sign('cami-mo+jwt', claims.credential(grantee))
    const thief = await sign.credential(stranger, {
      cnf: { jwk: grantee.jwk },
      peer_id: grantee.peerId,
    })
    await node.intake.directory([
      { credential: forged, addresses: [], online: true },
      await place.entry(grantee),
      { credential: thief, addresses: [], online: true },
    ])
    assert.deepEqual(
      node.members().map(({ oid }) => oid),
      [grantee.oid],
    )
    assert.equal(node.memberByPeer(grantee.peerId)?.oid, grantee.oid)
    await node.intake.directory([await place.entry(stranger)])
    assert.equal(node.isAllowed(grantee.peerId), false)
    assert.ok(node.isAllowed(stranger.peerId))
    assert.ok(node.isAllowed(place.registry.peerId))
    // What it signed can still be read.
    assert.deepEqual(node.keyOf(grantee.oid, grantee.kid), grantee.jwk)
  })

  test('a suspended organization, a revoked key and a credential that ran out are not let in', async () => {
    await using place = await createPlace()
    const { sign, grantee, stranger, world } = place
    await using node = await place.start()
    await node.intake.directory(await place.everybody())
    const first = await sign.epoch([], { mo_off: [grantee.urn], kid_off: [stranger.kid] })
    await node.intake.epoch({ epoch: first, grants: [] })
    assert.equal(node.isAllowed(grantee.peerId), false)
    assert.equal(node.isAllowed(stranger.peerId), false)
    const second = await sign.epoch([], { epoch: 2, prev: await tokenDigest(first) })
    await node.intake.epoch({ epoch: second, grants: [] })
    assert.ok(node.isAllowed(grantee.peerId))
    world.now = now + 365 * 24 * hour
    assert.equal(node.isAllowed(grantee.peerId), false)
  })

  test('a registry that forgot the addresses does not take ours; status tells how old things are', async () => {
    await using place = await createPlace()
    const { grantee, world } = place
    await using node = await place.start()
    await node.intake.directory(await place.everybody())
    node.intake.registry({
      request: () => Promise.reject(new Error('unused')),
      refresh: () => Promise.resolve(),
    })
    assert.equal(node.status().holders[0]?.ageMs, 0)
    await node.intake.directory([{ ...(await place.entry(grantee, [])), online: false }])
    assert.deepEqual(node.member(grantee.oid)?.addresses, ['/ip4/127.0.0.1/tcp/1'])
    world.now = now + hour
    node.intake.registry(undefined)
    const { registry, holders } = node.status()
    assert.deepEqual(registry, { reachable: false, since: now + hour })
    assert.deepEqual(
      holders.map(({ oid, reachable, ageMs }) => [oid, reachable, ageMs]),
      [[grantee.oid, false, hour]],
    )
  })
})
