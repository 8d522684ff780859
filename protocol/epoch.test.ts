import assert from 'node:assert/strict'
import { test } from 'node:test'
import { epochFacts, nextEpochState, verifyBeat, verifyEpoch } from './epoch.ts'
import type { Epoch } from './epoch.ts'
import { createFederation, listed, now, nowSeconds } from './federation.fixture.ts'
import type { Sha256 } from './ids.ts'

const region = await createFederation()
const { holder, grantee, stranger, issuer } = region
const trust = region.claims.trustList()
const row = await listed(await region.sign.grant())
const expected = { trust, audience: holder.urn, now }
const verify = async (over: Partial<Epoch> = {}, at = now) =>
  verifyEpoch(await region.sign.epoch([row], over), { ...expected, now: at })
const digest = 'ab'.repeat(32) as Sha256

test('an epoch and a beat of an issuing key are read', async () => {
  const { claims, kid } = await verify()
  assert.equal(kid, issuer.kid)
  assert.deepEqual(claims.grants, [row])
  assert.equal((await verifyBeat(await region.sign.beat(digest), expected)).claims.sha256, digest)
})

test('nobody but an issuing key speaks of grants', async () => {
  for (const { signer } of [holder, grantee, region.registry, region.authority]) {
    const epoch = await signer.sign('cami-epoch+jwt', region.claims.epoch([row]))
    await assert.rejects(verifyEpoch(epoch, expected), { code: 'token_unknown_key' })
    const beat = await signer.sign('cami-beat+jwt', region.claims.beat(digest))
    await assert.rejects(verifyBeat(beat, expected), { code: 'token_unknown_key' })
  }
})

test('an epoch for another holder is refused', async () => {
  await assert.rejects(verify({ aud: stranger.urn }), { code: 'token_wrong_audience' })
  const beat = await region.sign.beat(digest, { aud: stranger.urn })
  await assert.rejects(verifyBeat(beat, expected), { code: 'token_wrong_audience' })
})

test('an epoch from the future is refused; one past its end is still known', async () => {
  await verify({ iat: nowSeconds + 60, exp: nowSeconds + 100 })
  const future = { iat: nowSeconds + 61, exp: nowSeconds + 100 }
  await assert.rejects(verify(future), { code: 'token_not_yet_valid' })
  await verify({}, now + 30 * 86_400_000)
  const beat = await region.sign.beat(digest, { iat: nowSeconds + 61 })
  await assert.rejects(verifyBeat(beat, expected), { code: 'token_not_yet_valid' })
})

test('an epoch that lives too long, names a grant twice or hides its predecessor is refused', async () => {
  const malformed = { code: 'token_malformed' }
  const iat = nowSeconds
  await verify({ iat, exp: iat + 72 * 3600 })
  await assert.rejects(verify({ iat, exp: iat + 72 * 3600 + 1 }), malformed)
  await assert.rejects(verify({ grants: [row, [row[0], 2, digest, 'revoked']] }), malformed)
  await assert.rejects(verify({ epoch: 2 }), malformed)
  await assert.rejects(verify({ epoch: 1, prev: digest }), malformed)
  await verify({ epoch: 2, prev: digest })
})

test('the number only grows; one number has one content; a successor knows its predecessor', async () => {
  const five = await verify({ epoch: 5, prev: digest })
  const current = { epoch: 5, digest: five.digest }
  assert.equal(nextEpochState(undefined, five), 'accept')
  assert.equal(nextEpochState(current, five), 'same')
  const four = await verify({ epoch: 4, prev: digest })
  assert.equal(nextEpochState(current, four), 'epoch_rollback')
  const otherFive = await verify({ epoch: 5, prev: digest, users_off: [region.user] })
  assert.equal(nextEpochState(current, otherFive), 'epoch_equivocation')
  const six = await verify({ epoch: 6, prev: five.digest })
  assert.equal(nextEpochState(current, six), 'accept')
  const otherSix = await verify({ epoch: 6, prev: digest })
  assert.equal(nextEpochState(current, otherSix), 'epoch_equivocation')
  // What happened in between was missed, so nothing can be said about it.
  const nine = await verify({ epoch: 9, prev: digest })
  assert.equal(nextEpochState(current, nine), 'accept')
})

test('facts of an epoch are what the decision looks up', async () => {
  const { claims } = await verify({
    grants: [row, ['01KB0000000000000000000007', 3, digest, 'revoked']],
    users_off: [region.otherUser],
    mo_off: [stranger.urn],
    kid_off: [stranger.kid],
  })
  const facts = epochFacts(claims, nowSeconds)
  assert.equal(facts.freshAt, now)
  assert.deepEqual(facts.grants.get(row[0]), { ver: 1, digest: row[2], active: true })
  assert.equal(facts.grants.get('01KB0000000000000000000007')?.active, false)
  assert.deepEqual([...facts.usersOff], [region.otherUser])
  assert.deepEqual([...facts.organizationsOff], [stranger.oid])
  assert.deepEqual([...facts.kidsOff], [stranger.kid])
  assert.equal(epochFacts(claims, 5).freshAt, claims.iat * 1000)
})
