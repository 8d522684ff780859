import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createFederation, now, nowSeconds } from './federation.fixture.ts'
import { coversStudy, verifyGrant, verifyGrantRequest } from './grant.ts'
import type { Grant, GrantRequest, GrantScope } from './grant.ts'
import { UserId } from './ids.ts'

const region = await createFederation()
const { holder, grantee, stranger, issuer } = region
const trust = region.claims.trustList()
const { holderKeyOf } = region
const verify = async (over: Partial<Grant> = {}, request: Partial<GrantRequest> = {}) =>
  verifyGrant(await region.sign.grant(over, request), { trust, now, holderKeyOf })
const verifyRequest = async (over: Partial<GrantRequest> = {}) =>
  verifyGrantRequest(await region.sign.grantRequest(over), { keyOf: holderKeyOf, now })

test('a grant carries two signatures, and both are checked', async () => {
  const { grant, request } = await verify()
  assert.equal(grant.kid, issuer.kid)
  assert.equal(request.kid, holder.kid)
  assert.deepEqual(request.claims, region.claims.grantRequest())
})

test('the registry alone makes no grant: the request inside must be signed by the holder', async () => {
  for (const { signer, code } of [
    { signer: issuer.signer, code: 'token_unknown_key' },
    { signer: stranger.signer, code: 'token_unknown_key' },
    { signer: grantee.signer, code: 'token_unknown_key' },
  ]) {
    const req = await signer.sign('cami-grant-req+jwt', region.claims.grantRequest())
    const token = await issuer.signer.sign('cami-grant+jwt', region.claims.grant(req))
    await assert.rejects(verifyGrant(token, { trust, now, holderKeyOf }), { code })
  }
})

test('a holder alone makes no grant either', async () => {
  const claims = region.claims.grant(await region.sign.grantRequest())
  const token = await holder.signer.sign('cami-grant+jwt', claims)
  await assert.rejects(verifyGrant(token, { trust, now, holderKeyOf }), {
    code: 'token_unknown_key',
  })
})

test('a key speaks only for its own organization', async () => {
  // The stranger's key is known, but not as the holder's.
  const claims = region.claims.grantRequest()
  const token = await stranger.signer.sign('cami-grant-req+jwt', claims)
  await assert.rejects(verifyGrantRequest(token, { keyOf: holderKeyOf, now }), {
    code: 'token_unknown_key',
  })
})

test('the registration may not say otherwise than the request', async () => {
  const mismatch = { code: 'grant_mismatch' }
  const overs: Partial<Grant>[] = [
    { sub: stranger.urn },
    { holder: stranger.urn },
    { aud: grantee.urn },
    { jti: '01KB0000000000000000000009' },
    { ver: 2 },
    { exp: nowSeconds + 364 * 86_400 + 1 },
    { nbf: nowSeconds - 86_401 },
  ]
  for (const over of overs) await assert.rejects(verify(over), mismatch)
  await verify({ exp: nowSeconds + 86_400, nbf: nowSeconds })
})

test('a registration from the future or of too long a life is refused', async () => {
  await assert.rejects(verify({ iat: nowSeconds + 61 }), { code: 'token_not_yet_valid' })
  await assert.rejects(verify({ iat: nowSeconds - 37 * 86_400 }), { code: 'token_malformed' })
  await verify({ iat: nowSeconds - 36 * 86_400 })
})

test('a request that is not a grant to another organization and its users is refused', async () => {
  const malformed = { code: 'token_malformed' }
  const [user] = region.claims.grantRequest().users
  assert.ok(user)
  const foreign = UserId.parse(`${stranger.oid}#01KB0000000000000000000004`)
  const overs: Partial<GrantRequest>[] = [
    { sub: holder.urn },
    { users: [{ ...user, uid: foreign }] },
    { users: [user, { ...user, row: 2, uid: foreign }] },
    { users: [user, { ...user, row: 2 }] },
    { users: [] },
    { act: ['view', 'view'] },
    { act: [] },
    { sub_kid: [] },
    { exp: nowSeconds - 86_400 },
    { exp: nowSeconds - 86_400 + 400 * 86_400 + 1 },
  ]
  for (const over of overs) await assert.rejects(verifyRequest(over), malformed)
})

test('a request from the future is refused, an ended one is still readable', async () => {
  await verifyRequest({ iat: nowSeconds + 60 })
  await assert.rejects(verifyRequest({ iat: nowSeconds + 61 }), { code: 'token_not_yet_valid' })
  const ended = { iat: nowSeconds - 9000, nbf: nowSeconds - 9000, exp: nowSeconds - 8000 }
  await verify(ended, ended)
  const token = await region.sign.grantRequest({ iat: nowSeconds + 1000 })
  await verifyGrantRequest(token, { keyOf: holderKeyOf })
})

const scope: GrantScope = { mode: 'all', devices: ['*'], mod: ['*'], from: null, to: null }
const ct = { modalities: ['CT'], date: '20261124', device: 'ct-1' }
const covered: [string, Partial<GrantScope>, Partial<typeof ct>, boolean][] = [
  ['everything', {}, {}, true],
  ['a study without modalities under *', {}, { modalities: [] }, true],
  ['its modality', { mod: ['CT'] }, {}, true],
  ['another modality', { mod: ['MR'] }, {}, false],
  ['one of two modalities', { mod: ['CT'] }, { modalities: ['CT', 'PT'] }, false],
  ['both modalities', { mod: ['CT', 'PT'] }, { modalities: ['CT', 'PT'] }, true],
  ['a modality with its report', { mod: ['CT'] }, { modalities: ['CT', 'SR', 'PR', 'KO'] }, true],
  ['a report alone', { mod: ['CT'] }, { modalities: ['SR'] }, false],
  ['a report alone when named', { mod: ['SR'] }, { modalities: ['SR'] }, true],
  ['no modality', { mod: ['CT'] }, { modalities: [] }, false],
  ['a modality in lower case', { mod: ['ct'] }, {}, false],
  ['its device', { devices: ['ct-1'] }, {}, true],
  ['another device', { devices: ['ct-2'] }, {}, false],
  ['an unknown device', { devices: ['ct-1'] }, { device: '' }, false],
  ['the first day', { from: '20261124' }, {}, true],
  ['the last day', { to: '20261124' }, {}, true],
  ['the day before', { from: '20261125' }, {}, false],
  ['the day after', { to: '20261123' }, {}, false],
  ['no date', { from: '20260101' }, { date: '' }, false],
  ['a date of another form', { from: '20260101' }, { date: '2026.11.24' }, false],
  ['no date without bounds', {}, { date: '' }, true],
  ['by request', { mode: 'by_request' }, {}, false],
]
for (const [name, over, study, expected] of covered) {
  test(`scope: ${name} is ${expected ? '' : 'not '}covered`, () => {
    assert.equal(coversStudy({ ...scope, ...over }, { ...ct, ...study }), expected)
  })
}
