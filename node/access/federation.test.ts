import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { now, nowSeconds } from '#protocol/federation.fixture.ts'
import { tokenDigest } from '#protocol/jws.ts'
import { createPlace } from './federation.fixture.ts'

const hour = 60 * 60 * 1000

describe('what is kept works without the registry', () => {
  test('members, epoch, beat and grants are there after a restart, and fresh until the policy says stale', async () => {
    await using place = await createPlace()
    const { sign, grantee, world } = place
    const grant = await sign.grant()
    const epoch = await place.epochWith(grant)
    {
      await using node = await place.start()
      assert.equal(node.epochFacts(), undefined)
      await node.intake.directory(await place.everybody())
      await node.intake.epoch({ epoch, grants: [grant] })
      await node.intake.beat(await sign.beat(await tokenDigest(epoch)))
    }
    world.now = now + 2 * hour
    await using node = await place.start()
    assert.deepEqual(
      node.members().map(({ oid }) => oid),
      [place.grantee.oid, place.stranger.oid],
    )
    assert.ok(node.isAllowed(grantee.peerId))
    assert.deepEqual(node.member(grantee.oid)?.addresses, ['/ip4/127.0.0.1/tcp/1'])
    assert.equal(node.epochFacts()?.freshAt, now)
    const { jti: number } = place.claims.grantRequest()
    assert.equal(node.heldGrant(number)?.grant.digest, await tokenDigest(grant))
    assert.equal(node.heldGrants()[0]?.active, true)
  })

  test('received grants come back with what the registry last said of them', async () => {
    await using place = await createPlace()
    const grant = await place.sign.grant()
    {
      await using node = await place.start(place.grantee)
      await node.intake.directory(await place.everybody())
      await node.intake.grants([{ grant, active: true }])
    }
    {
      await using node = await place.start(place.grantee)
      assert.deepEqual(
        node.receivedGrants().map(({ active }) => active),
        [true],
      )
      assert.notEqual(node.visibility(place.holder.oid), '')
      await node.intake.grants([{ grant, active: false }])
      assert.equal(node.visibility(place.holder.oid), '')
    }
    await using node = await place.start(place.grantee)
    assert.deepEqual(
      node.receivedGrants().map(({ active }) => active),
      [false],
    )
  })
})

describe('epochs', () => {
  test('an older epoch is refused, also after a restart', async () => {
    await using place = await createPlace()
    const { sign } = place
    const first = await sign.epoch([])
    const second = await sign.epoch([], { epoch: 2, prev: await tokenDigest(first) })
    {
      await using node = await place.start()
      await node.intake.epoch({ epoch: second, grants: [] })
      await assert.rejects(node.intake.epoch({ epoch: first, grants: [] }), {
        code: 'epoch_rollback',
      })
    }
    await using node = await place.start()
    await assert.rejects(node.intake.epoch({ epoch: first, grants: [] }), {
      code: 'epoch_rollback',
    })
    assert.equal(node.epochFacts()?.epoch, 2)
  })

  test('records put back from an old copy close access until a newer epoch is heard', async () => {
    await using place = await createPlace()
    const { sign } = place
    const first = await sign.epoch([])
    const second = await sign.epoch([], { epoch: 2, prev: await tokenDigest(first) })
    const file = path.join(place.dir, 'epoch-high-water.json')
    {
      await using node = await place.start()
      await node.intake.epoch({ epoch: second, grants: [] })
    }
    const mark = await readFile(file)
    await rm(path.join(place.dir, 'records'), { recursive: true })
    await rm(file)
    {
      await using node = await place.start()
      await node.intake.epoch({ epoch: first, grants: [] })
    }
    await writeFile(file, mark)
    await using node = await place.start()
    assert.equal(node.epochFacts(), undefined)
    await assert.rejects(node.intake.epoch({ epoch: first, grants: [] }), {
      code: 'epoch_rollback',
    })
    await node.intake.epoch({ epoch: second, grants: [] })
    assert.equal(node.epochFacts()?.epoch, 2)
  })

  test('two contents of one number are kept as evidence, audited, and freeze the node at the older state', async () => {
    await using place = await createPlace()
    const { sign, world } = place
    const first = await sign.epoch([])
    const twin = await sign.epoch([], { users_off: [place.user] })
    {
      await using node = await place.start()
      await node.intake.epoch({ epoch: first, grants: [] })
      await assert.rejects(node.intake.epoch({ epoch: twin, grants: [] }), {
        code: 'epoch_equivocation',
      })
      assert.deepEqual(await node.records.get('epoch-evidence', 'first'), {
        tokens: [first, twin],
        at: now,
      })
      assert.equal(world.audit.at(-1)?.event, 'security-alert')
    }
    await using node = await place.start()
    const later = await sign.epoch([], { epoch: 2, prev: await tokenDigest(first) })
    await assert.rejects(node.intake.epoch({ epoch: later, grants: [] }), {
      code: 'epoch_equivocation',
    })
    const beat = await sign.beat(await tokenDigest(first), { iat: nowSeconds + 30 })
    await assert.rejects(node.intake.beat(beat), { code: 'epoch_equivocation' })
    assert.equal(node.epochFacts()?.epoch, 1)
  })

  test('a beat with another digest for our number is the same evidence', async () => {
    await using place = await createPlace()
    await using node = await place.start()
    await node.intake.epoch({ epoch: await place.sign.epoch([]), grants: [] })
    const beat = await place.sign.beat('ab'.repeat(32) as never)
    await assert.rejects(node.intake.beat(beat), { code: 'epoch_equivocation' })
  })

  test('a beat of an epoch that has not come makes the node ask for it', async () => {
    await using place = await createPlace()
    await using node = await place.start()
    const first = await place.sign.epoch([])
    await node.intake.epoch({ epoch: first, grants: [] })
    const asked = Promise.withResolvers<void>()
    node.intake.registry({
      request: () => Promise.reject(new Error('not used')),
      refresh: () => Promise.resolve(asked.resolve()),
    })
    await node.intake.beat(await place.sign.beat('cd'.repeat(32) as never, { epoch: 2 }))
    await asked.promise
  })

  test('an epoch made for another holder, or by nobody’s issuer, changes nothing', async () => {
    await using place = await createPlace()
    await using node = await place.start()
    const foreign = await place.sign.epoch([], { aud: place.stranger.urn })
    await assert.rejects(node.intake.epoch({ epoch: foreign, grants: [] }), {
      code: 'token_wrong_audience',
    })
    const forged = await place.stranger.signer.sign('cami-epoch+jwt', place.claims.epoch([]))
    await assert.rejects(node.intake.epoch({ epoch: forged, grants: [] }), {
      code: 'token_unknown_key',
    })
    assert.equal(node.epochFacts(), undefined)
  })

  test('a clock that is put back does not bring time back before what the registry signed', async () => {
    await using place = await createPlace()
    await using node = await place.start()
    await node.intake.epoch({ epoch: await place.sign.epoch([]), grants: [] })
    place.world.now = now - 48 * hour
    assert.ok(node.now() >= now - 3 * 60 * 1000)
  })
})

describe('the trust list', () => {
  test('a later one is taken and kept; an older or a second of one version is refused', async () => {
    await using place = await createPlace()
    const { sign, claims } = place
    const policy = { ...claims.trustList().policy, staleAfterHours: 1 }
    {
      await using node = await place.start()
      await node.intake.trust(await sign.trustList({ ver: 2, policy }))
      await assert.rejects(node.intake.trust(await sign.trustList()), { code: 'trust_rollback' })
      await assert.rejects(node.intake.trust(await sign.trustList({ ver: 2 })), {
        code: 'trust_equivocation',
      })
      const other = await place.stranger.signer.sign('cami-trust+jwt', claims.trustList({ ver: 3 }))
      await assert.rejects(node.intake.trust(other), { code: 'token_unknown_key' })
    }
    await using node = await place.start()
    assert.equal(node.policy().staleAfterHours, 1)
  })

  test('one that has run out lets the node start, and nobody else in', async () => {
    await using place = await createPlace()
    {
      await using node = await place.start()
      await node.intake.directory(await place.everybody())
    }
    place.world.now = now + 2 * 365 * 24 * hour
    await using node = await place.start()
    assert.deepEqual(node.members(), [])
  })

  test('a kept trust list that cannot be read does not give way to the older one of the configuration', async () => {
    await using place = await createPlace()
    const { sign } = place
    {
      await using node = await place.start()
      await node.intake.trust(await sign.trustList({ ver: 2 }))
      await node.records.put('trust', 'list', { of: 'a later version' })
    }
    await assert.rejects(place.start(), { code: 'storage_corrupt' })
  })

  test('one of another authority stops the start', async () => {
    await using place = await createPlace()
    const foreign = await place.stranger.signer.sign('cami-trust+jwt', place.claims.trustList())
    await assert.rejects(place.start(place.holder, { trustList: foreign }), {
      code: 'token_unknown_key',
    })
  })
})
