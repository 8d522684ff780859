import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createFederation, now, nowSeconds } from './federation.fixture.ts'
import type { Kid, Sha256 } from './ids.ts'
import { issuerKey, nextTrustState, verifyTrustList } from './trust-list.ts'
import type { TrustList } from './trust-list.ts'

const region = await createFederation()
const { authority, issuer, stranger } = region
const verify = async (over: Partial<TrustList> = {}, at = now) =>
  verifyTrustList(await region.sign.trustList(over), { authority: authority.kid, now: at })
const listedIssuer = region.claims.trustList().issuers[0] as TrustList['issuers'][number]
const identity = 'AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'
const weakJwk = { kty: 'OKP', crv: 'Ed25519', x: identity } as const

test('a list of the pinned authority is believed', async () => {
  const { claims, kid } = await verify()
  assert.equal(kid, authority.kid)
  assert.deepEqual(claims, region.claims.trustList())
})

test('a list of another authority is not, although it carries the key that signed it', async () => {
  const token = await stranger.signer.sign(
    'cami-trust+jwt',
    region.claims.trustList({ authority: { jwk: stranger.jwk } }),
  )
  const pinned = { authority: authority.kid, now }
  await assert.rejects(verifyTrustList(token, pinned), { code: 'token_unknown_key' })
  // The pinned key beside a signature of another one, and another key beside the pinned name.
  const beside = await stranger.signer.sign('cami-trust+jwt', region.claims.trustList())
  await assert.rejects(verifyTrustList(beside, pinned), { code: 'token_unknown_key' })
  const swapped = await verify({ authority: { jwk: stranger.jwk } }).catch(({ code }) => code)
  assert.equal(swapped, 'token_unknown_key')
})

test('a list ends to the second and begins with a minute of tolerance', async () => {
  const exp = nowSeconds + 10
  await verify({ exp }, exp * 1000 - 1)
  await assert.rejects(verify({ exp }, exp * 1000), { code: 'token_expired' })
  await verify({ iat: nowSeconds + 60 })
  await assert.rejects(verify({ iat: nowSeconds + 61 }), { code: 'token_not_yet_valid' })
})

test('a list that lives too long or ends before it begins is refused', async () => {
  const iat = nowSeconds
  await verify({ iat, exp: iat + 1830 * 86_400 })
  await assert.rejects(verify({ iat, exp: iat + 1830 * 86_400 + 1 }), { code: 'token_malformed' })
  await assert.rejects(verify({ iat, exp: iat }), { code: 'token_malformed' })
})

test('an issuing key must be strong, named by its thumbprint, listed once, and not the authority', async () => {
  const malformed = { code: 'token_malformed' }
  const named = { ...listedIssuer, kid: stranger.kid }
  await assert.rejects(verify({ issuers: [named] }), malformed)
  const second = { ...listedIssuer, jwk: stranger.jwk, kid: region.holder.kid }
  await assert.rejects(verify({ issuers: [listedIssuer, second] }), malformed)
  await verify({ issuers: [listedIssuer, { ...second, kid: stranger.kid }] })
  await assert.rejects(verify({ issuers: [listedIssuer, listedIssuer] }), malformed)
  const root = { ...listedIssuer, kid: authority.kid, jwk: authority.jwk }
  await assert.rejects(verify({ issuers: [root] }), malformed)
  await assert.rejects(verify({ issuers: [] }), malformed)
  await assert.rejects(verify({ issuers: [{ ...listedIssuer, jwk: weakJwk }] }), {
    code: 'key_weak',
  })
  await assert.rejects(verify({ registry: { jwk: weakJwk } }), { code: 'key_weak' })
})

test('an issuing key counts only in its own time', () => {
  const trust = region.claims.trustList({
    issuers: [{ ...listedIssuer, nbf: nowSeconds, exp: nowSeconds + 100 }],
  })
  assert.equal(issuerKey(trust, now - 60_001)(issuer.kid), undefined)
  assert.deepEqual(issuerKey(trust, now - 60_000)(issuer.kid), issuer.jwk)
  assert.deepEqual(issuerKey(trust, now + 99_999)(issuer.kid), issuer.jwk)
  assert.equal(issuerKey(trust, now + 100_000)(issuer.kid), undefined)
  assert.equal(issuerKey(trust, now)(stranger.kid), undefined)
})

test('versions only grow, and one version has one content', async () => {
  const two = await verify({ ver: 2 })
  const current = { ver: 2, digest: two.digest }
  assert.equal(nextTrustState(undefined, two), 'accept')
  assert.equal(nextTrustState(current, two), 'same')
  assert.equal(nextTrustState(current, await verify({ ver: 3 })), 'accept')
  assert.equal(nextTrustState(current, await verify({ ver: 1 })), 'trust_rollback')
  const other = await verify({ ver: 2, exp: nowSeconds + 500 })
  assert.equal(nextTrustState(current, other), 'trust_equivocation')
})

test('what a policy may say is bounded', async () => {
  const { policy } = region.claims.trustList()
  for (const staleAfterHours of [0, 73, 1.5]) {
    const over = { policy: { ...policy, staleAfterHours } }
    await assert.rejects(verify(over), { code: 'token_malformed' })
  }
  const wrongPin = 'A'.repeat(43) as Kid
  const token = await region.sign.trustList({ prev: '00'.repeat(32) as Sha256 })
  await assert.rejects(verifyTrustList(token, { authority: wrongPin, now }), {
    code: 'token_unknown_key',
  })
})
