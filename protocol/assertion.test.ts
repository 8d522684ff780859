import assert from 'node:assert/strict'
import { test } from 'node:test'
import { verifyAssertion } from './assertion.ts'
import type { Assertion } from './assertion.ts'
import { createFederation, now, nowSeconds } from './federation.fixture.ts'
import { UserId } from './ids.ts'

const region = await createFederation()
const { holder, grantee, stranger } = region
const expected = { jwk: grantee.jwk, kid: grantee.kid, audience: holder.urn, now }
const verify = async (over: Partial<Assertion> = {}, at = now) =>
  verifyAssertion(await region.sign.assertion(over), { ...expected, now: at })

test('an assertion of the peer is read', async () => {
  assert.deepEqual((await verify()).claims, region.claims.assertion())
})

test('an assertion that another peer signed is not believed on this connection', async () => {
  const token = await region.sign.assertion()
  const other = { ...expected, jwk: stranger.jwk, kid: stranger.kid }
  await assert.rejects(verifyAssertion(token, other), { code: 'token_unknown_key' })
  const forged = await stranger.signer.sign('cami-access+jwt', region.claims.assertion())
  await assert.rejects(verifyAssertion(forged, expected), { code: 'token_unknown_key' })
})

test('an assertion for another holder is refused', async () => {
  await assert.rejects(verify({ aud: stranger.urn }), { code: 'token_wrong_audience' })
})

test('an organization speaks for its own users only', async () => {
  const sub = UserId.parse(`${stranger.oid}#01KB0000000000000000000004`)
  await assert.rejects(verify({ sub }), { code: 'token_wrong_issuer' })
  await assert.rejects(verify({ iss: stranger.urn }), { code: 'token_wrong_issuer' })
})

test('it lives at most 300 s, with 60 s for the difference of clocks', async () => {
  const exp = nowSeconds + 300
  await verify({}, (exp + 60) * 1000 - 1)
  await assert.rejects(verify({}, (exp + 60) * 1000), { code: 'token_expired' })
  await assert.rejects(verify({ exp: exp + 1 }), { code: 'token_malformed' })
  await assert.rejects(verify({ exp: nowSeconds }), { code: 'token_malformed' })
  await verify({}, now - 60_000)
  await assert.rejects(verify({}, now - 60_001), { code: 'token_not_yet_valid' })
})

test('the user signed in before it was made', async () => {
  await verify({ auth_time: nowSeconds })
  await assert.rejects(verify({ auth_time: nowSeconds + 1 }), { code: 'token_malformed' })
})

test('only the operations, purposes and factors of the specification exist', async () => {
  const wrong = [
    { op: 'delete' },
    { purp: 'research' },
    { amr: [] },
    { amr: ['pwd', 'sms'] },
    { amr: 'pwd' },
    { res: '1.2.3/../../etc' },
    { sid: 'A'.repeat(32) },
    { jti: 'not-a-ulid' },
    { aud: [holder.urn, stranger.urn] },
    { ws: 'w'.repeat(65) },
  ]
  for (const over of wrong) {
    await assert.rejects(verify(over as Partial<Assertion>), { code: 'token_malformed' })
  }
})
