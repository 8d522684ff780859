import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { authorizePeer } from '#protocol/authorize.ts'
import { listed, now, nowSeconds, study, studyFacts } from '#protocol/federation.fixture.ts'
import type { Party } from '#protocol/federation.fixture.ts'
import { verifyAssertion } from '#protocol/assertion.ts'
import { acceptIndexItem, emptyHead } from '#protocol/index-log.ts'
import { codeOf } from '#protocol/errors.ts'
import type { Kid } from '#protocol/ids.ts'
import { tokenDigest } from '#protocol/jws.ts'
import { verifyManifest } from '#protocol/manifest.ts'
import type { Ancestor } from '#protocol/rekey.ts'
import { createPlace } from './federation.fixture.ts'

const hour = 60 * 60 * 1000

/** The grantee's key changes; the holder decides as it does for every request. */
async function createDrill() {
  const place = await createPlace()
  const { sign, holder, grantee, successor, claims } = place
  const node = await place.start()
  const grant = await sign.grant()
  const epoch = await place.epochWith(grant)
  await node.intake.directory(await place.everybody())
  await node.intake.epoch({
    epoch,
    grants: [grant],
    beat: await sign.beat(await tokenDigest(epoch)),
  })
  const old = await sign.credential(grantee)
  const changed = async (ancestor: Ancestor, over = {}) => [
    {
      ...(await place.entry(grantee)),
      credential: await sign.credential(successor, {
        iat: nowSeconds,
        nbf: nowSeconds,
        prev_kid: grantee.kid,
        ...over,
      }),
      lineage: [ancestor],
    },
  ]
  /** What the holder answers to a reader whose node has this key. */
  const ask = async (by: Party): Promise<string> => {
    const member = node.memberByPeer(by.peerId)
    if (member === undefined || !node.isAllowed(by.peerId)) return 'peer_unknown'
    const token = await by.signer.sign('cami-access+jwt', claims.assertion())
    const { jwk, kid } = member
    const assertion = await verifyAssertion(token, { jwk, kid, audience: holder.urn, now })
    const epochFacts = node.epochFacts()
    const held = node.heldGrant(assertion.claims.grant)
    const decision = authorizePeer({
      now: node.now(),
      self: holder.oid,
      selfKids: node.selfKids(),
      policy: node.policy(),
      remotePeer: by.peerId,
      operation: 'view',
      restricted: false,
      assertion,
      replayed: false,
      credential: member.facts,
      ...(epochFacts !== undefined && { epoch: epochFacts }),
      ...(held !== undefined && { grant: held }),
      study: { ...studyFacts(holder.oid), study },
      rateExceeded: false,
    })
    return decision.ok ? 'allowed' : decision.code
  }
  return {
    place,
    node,
    epoch,
    grant,
    old,
    changed,
    ask,
    async [Symbol.asyncDispose]() {
      await node[Symbol.asyncDispose]()
      await place[Symbol.asyncDispose]()
    },
  }
}

describe('a node’s key changes', () => {
  test('by its own word: grants go on to the new key, the old one speaks for a day more', async () => {
    await using drill = await createDrill()
    const { place, node, old } = drill
    const { grantee, successor, sign, world } = place
    assert.equal(await drill.ask(grantee), 'allowed')
    await node.intake.directory(await drill.changed({ credential: old, rekey: await sign.rekey() }))
    assert.equal(await drill.ask(successor), 'allowed')
    assert.equal(await drill.ask(grantee), 'allowed')
    world.now = now + 24 * hour
    assert.equal(await drill.ask(grantee), 'peer_unknown')
  })

  test('without the old key’s word, by a theft: grants rest until the holder gives them to the new key', async () => {
    await using drill = await createDrill()
    const { place, node, epoch, grant, old } = drill
    const { grantee, successor, sign } = place
    const listing = await listed(grant)
    const second = await sign.epoch([listing], {
      epoch: 2,
      prev: await tokenDigest(epoch),
      kid_off: [grantee.kid],
    })
    await node.intake.epoch({ epoch: second, grants: [grant] })
    assert.equal(await drill.ask(grantee), 'peer_unknown')
    // The thief’s own change of key, and then the enrollment anew.
    await node.intake.directory(await drill.changed({ credential: old, rekey: await sign.rekey() }))
    assert.equal(await drill.ask(successor), 'grant_key_unpinned')
    assert.equal(await drill.ask(grantee), 'peer_unknown')
    await node.intake.directory(await drill.changed({ credential: old }))
    assert.equal(await drill.ask(successor), 'grant_key_unpinned')
    const again = await sign.grant({ ver: 2 }, { ver: 2, sub_kid: [successor.kid] })
    const [jti] = listing
    const third = await sign.epoch([[jti, 2, await tokenDigest(again), 'active']], {
      epoch: 3,
      prev: await tokenDigest(second),
      kid_off: [grantee.kid],
    })
    await node.intake.epoch({ epoch: third, grants: [again] })
    assert.equal(await drill.ask(successor), 'allowed')
    assert.equal(await drill.ask(grantee), 'peer_unknown')
  })

  test('and a node that joins later reads what the old key signed, also after a restart', async () => {
    await using place = await createPlace()
    const { sign, holder, grantee, successor, stranger } = place
    // Here it is the holder of the index whose key has changed.
    const entry = await grantee.signer.sign(
      'cami-index+jwt',
      place.claims.indexEntry({ org: grantee.urn }),
    )
    const lineage = [{ credential: await sign.credential(grantee), rekey: await sign.rekey() }]
    const line = {
      ...(await place.entry(grantee)),
      credential: await sign.credential(successor, { prev_kid: grantee.kid }),
      lineage,
    }
    for (const isFirst of [true, false]) {
      await using node = await place.start(stranger)
      if (isFirst) await node.intake.directory([line, await place.entry(holder)])
      const accepted = await acceptIndexItem(
        { org: grantee.oid, seq: 1, entry },
        { org: grantee.oid, head: emptyHead, keyOf: (kid) => node.keyOf(grantee.oid, kid) },
      )
      assert.equal(accepted.entry?.seq, 1)
      assert.equal(node.keyOf(holder.oid, grantee.kid), undefined)
    }
  })

  test('and what the old key signed while it spoke is proven by it, but nothing later', async () => {
    await using place = await createPlace()
    const { sign, grantee, successor, stranger, claims } = place
    await using node = await place.start(stranger)
    const credential = await sign.credential(successor, { iat: nowSeconds, prev_kid: grantee.kid })
    const lineage = [{ credential: await sign.credential(grantee), rekey: await sign.rekey() }]
    await node.intake.directory([{ ...(await place.entry(grantee)), credential, lineage }])
    const read = async (by: Party, iat: number) => {
      const over = { iss: grantee.urn, iat }
      const token = await by.signer.sign('cami-manifest+jws', claims.manifest(over))
      const jwk = (kid: Kid, at: number) => node.keyAt(grantee.oid, kid, at)
      return verifyManifest(token, { holder: grantee.oid, jwk }).then(() => 'proven', codeOf)
    }
    const day = 24 * 3600
    assert.equal(await read(grantee, nowSeconds - day / 2), 'proven')
    assert.equal(await read(grantee, nowSeconds + day - 1), 'proven')
    assert.equal(await read(grantee, nowSeconds + day), 'token_unknown_key')
    assert.equal(await read(grantee, nowSeconds - 2 * day), 'token_unknown_key')
    assert.equal(await read(successor, nowSeconds), 'proven')
    assert.equal(await read(stranger, nowSeconds), 'token_unknown_key')
    const epoch = await sign.epoch([], { aud: stranger.urn, kid_off: [grantee.kid] })
    await node.intake.epoch({ epoch, grants: [] })
    assert.equal(await read(grantee, nowSeconds - day / 2), 'token_unknown_key')
  })
})
