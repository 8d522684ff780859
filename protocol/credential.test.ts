import assert from 'node:assert/strict'
import { test } from 'node:test'
import { credentialFacts, verifyCredential } from './credential.ts'
import type { Credential } from './credential.ts'
import { createFederation, now, nowSeconds } from './federation.fixture.ts'
import { peerIdOf } from './keys.ts'

const region = await createFederation()
const { holder, grantee, stranger } = region
const trust = region.claims.trustList()
const verify = async (over: Partial<Credential> = {}, at = now) =>
  verifyCredential(await region.sign.credential(holder, over), { trust, now: at })

test('a credential of an issuing key says who an organization is', async () => {
  const { claims } = await verify()
  assert.deepEqual(await credentialFacts(claims), {
    organization: holder.oid,
    kid: holder.kid,
    peerId: holder.peerId,
    notBefore: (nowSeconds - 86_400) * 1000,
    expiresAt: (nowSeconds + 364 * 86_400) * 1000,
  })
})

test('a credential that an organization or the authority signed says nothing', async () => {
  const claims = region.claims.credential(holder)
  for (const { signer } of [holder, stranger, region.authority, region.registry]) {
    const token = await signer.sign('cami-mo+jwt', claims)
    await assert.rejects(verifyCredential(token, { trust, now }), { code: 'token_unknown_key' })
  }
})

test('a credential of an issuing key that has ended or was dropped says nothing', async () => {
  const token = await region.sign.credential(holder)
  const [issuer] = trust.issuers
  assert.ok(issuer)
  const ended = { ...trust, issuers: [{ ...issuer, exp: nowSeconds }] }
  const unknown = { code: 'token_unknown_key' }
  await assert.rejects(verifyCredential(token, { trust: ended, now }), unknown)
  await assert.rejects(verifyCredential(token, { trust: { ...trust, issuers: [] }, now }), unknown)
})

test('times are kept to the second at the end, to a minute at the beginning', async () => {
  const exp = nowSeconds + 10
  await verify({ exp }, exp * 1000 - 1)
  await assert.rejects(verify({ exp }, exp * 1000), { code: 'token_expired' })
  await verify({ nbf: nowSeconds + 60 })
  await assert.rejects(verify({ nbf: nowSeconds + 61 }), { code: 'token_not_yet_valid' })
  await assert.rejects(verify({ iat: nowSeconds + 61 }), { code: 'token_not_yet_valid' })
  const iat = nowSeconds
  await verify({ iat, exp: iat + 400 * 86_400 })
  await assert.rejects(verify({ iat, exp: iat + 400 * 86_400 + 1 }), { code: 'token_malformed' })
  await assert.rejects(verify({ iat, nbf: iat - 10, exp: iat }), { code: 'token_malformed' })
  await assert.rejects(verify({ nbf: exp, exp }), { code: 'token_malformed' })
})

test('the peer id must be of the key, so that a connection proves the credential', async () => {
  await assert.rejects(verify({ peer_id: grantee.peerId }), { code: 'peer_mismatch' })
  await assert.rejects(verify({ cnf: { jwk: grantee.jwk } }), { code: 'peer_mismatch' })
})

test('a weak key is refused although an issuing key vouched for it', async () => {
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: 'A'.repeat(43) } as const
  await assert.rejects(verify({ cnf: { jwk }, peer_id: peerIdOf(jwk) }), { code: 'key_weak' })
})

test('names outside the register and unknown members are refused', async () => {
  const wrong = [
    { sub: 'oid:1.2.643.5.1.13.13.12.2.42.1001.0.1' },
    { sub: 'oid:1.2.643.5.1.13.13.12.3.42.1001' },
    { sub: holder.oid },
    { iss: 'urn:cami:authority' },
    { aud: [region.claims.credential(holder).aud] },
    { cnf: { jwk: holder.key } },
    { snils: '112-233-445 95' },
    { name: '' },
  ]
  for (const over of wrong) {
    await assert.rejects(verify(over as Partial<Credential>), { code: 'token_malformed' })
  }
})
