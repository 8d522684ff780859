import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CompactSign, importJWK } from 'jose'
import { assertionKind } from './assertion.ts'
import { canonicalJson } from './canonical-json.ts'
import { credentialKind } from './credential.ts'
import { createFederation, forge, headerOf } from './federation.fixture.ts'
import { createSigner, decodeToken, tokenDigest, verifyToken } from './jws.ts'
import type { Kid } from './ids.ts'
import { privateJwk } from './keys.ts'

const region = await createFederation()
const { grantee, holder, stranger } = region
const typ = 'cami-access+jwt'
const claims = canonicalJson(region.claims.assertion())
const token = await region.sign.assertion()
const [header = '', payload = '', signature = ''] = token.split('.')
const verify = (token: string) => verifyToken(token, assertionKind, () => grantee.jwk)

test('what a signer signs, a reader verifies, and both name the key by its thumbprint', async () => {
  const verified = await verify(token)
  assert.deepEqual(verified.claims, region.claims.assertion())
  assert.equal(verified.kid, grantee.kid)
  assert.equal(verified.digest, await tokenDigest(token))
  assert.equal(Buffer.from(header, 'base64url').toString(), headerOf(grantee, typ))
})

test('a signature by other hands over the same bytes is the same signature', () => {
  assert.equal(forge(grantee.key, headerOf(grantee, typ), claims), token)
})

test('a reference to a token does not depend on its signature', async () => {
  assert.equal(await tokenDigest(`${header}.${payload}.AAAA`), await tokenDigest(token))
})

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const withTrailingBits = (part: string) =>
  part.slice(0, -1) + letters.charAt(letters.indexOf(part.slice(-1)) + 1)

const otherSpellings: Record<string, string> = {
  'a trailing space': `${token} `,
  'a leading space': ` ${token}`,
  'a trailing line feed': `${token}\n`,
  'a fourth part': `${token}.AAAA`,
  'an empty fourth part': `${token}.`,
  'two parts': `${header}.${payload}`,
  'an empty signature': `${header}.${payload}.`,
  'padding after the signature': `${token}==`,
  'trailing bits in the signature': `${header}.${payload}.${withTrailingBits(signature)}`,
  'a short signature': `${header}.${payload}.${signature.slice(0, -4)}`,
  'a longer signature': `${header}.${payload}.${signature}AA`,
  'standard base64 letters': token.replaceAll('-', '+').replaceAll('_', '/').replace(/^e/, '/'),
  'nothing at all': '',
  'dots only': '..',
}
for (const [name, other] of Object.entries(otherSpellings)) {
  test(`refuses another spelling: ${name}`, async () => {
    await assert.rejects(verify(other), { code: 'token_malformed' })
  })
}

const headers: Record<string, [string, string]> = {
  'another algorithm name for the same thing': [
    headerOf(grantee, typ, { alg: 'EdDSA' }),
    'token_malformed',
  ],
  'no algorithm': [headerOf(grantee, typ, { alg: 'none' }), 'token_malformed'],
  'a shared-secret algorithm': [headerOf(grantee, typ, { alg: 'HS256' }), 'token_malformed'],
  'a key of its own': [headerOf(grantee, typ, { jwk: grantee.jwk }), 'token_malformed'],
  'an address of keys': [headerOf(grantee, typ, { jku: 'https://a.b' }), 'token_malformed'],
  'a critical extension': [headerOf(grantee, typ, { crit: ['b64'], b64: true }), 'token_malformed'],
  'an unencoded payload': [headerOf(grantee, typ, { b64: false }), 'token_malformed'],
  'a content type': [headerOf(grantee, typ, { cty: 'JWT' }), 'token_malformed'],
  'a type of another message': [headerOf(grantee, 'cami-beat+jwt'), 'token_wrong_type'],
  'a type in upper case': [headerOf(grantee, typ, { typ: typ.toUpperCase() }), 'token_wrong_type'],
  'a type with its prefix': [
    headerOf(grantee, typ, { typ: `application/${typ}` }),
    'token_wrong_type',
  ],
  'a short key name': [headerOf(grantee, typ, { kid: 'key-1' }), 'token_malformed'],
  'no key name': [canonicalJson({ alg: 'Ed25519', typ }), 'token_malformed'],
  'members in another order': [
    `{"typ":"${typ}","alg":"Ed25519","kid":"${grantee.kid}"}`,
    'token_malformed',
  ],
  'a space': [headerOf(grantee, typ).replace(',', ', '), 'token_malformed'],
  'a member twice': [headerOf(grantee, typ).replace('{', '{"alg":"none",'), 'token_malformed'],
  'an array': ['[]', 'token_malformed'],
  null: ['null', 'token_malformed'],
  'no JSON': ['{', 'token_malformed'],
}
for (const [name, [header, code]] of Object.entries(headers)) {
  test(`refuses a header with ${name}, however well signed`, async () => {
    await assert.rejects(verify(forge(grantee.key, header, claims)), { code })
  })
}

const payloads: Record<string, string> = {
  'duplicate members': claims.replace('{', `{"amr":["pwd"],`),
  'members out of order': `{"ws":"a",${claims.slice(1)}`,
  'white space': claims.replace(',', ', '),
  'an unknown claim': canonicalJson({ ...region.claims.assertion(), admin: true }),
  'a claim missing': canonicalJson({ ...region.claims.assertion(), exp: null }),
  'a list of audiences': canonicalJson({ ...region.claims.assertion(), aud: [holder.urn] }),
  'a prototype': claims.replace('{', '{"__proto__":{"a":1},'),
  'a time that is no integer': canonicalJson({ ...region.claims.assertion(), exp: 1795579500.5 }),
  'an endless time': canonicalJson({ ...region.claims.assertion(), exp: 1e308 }),
  'a time below zero': canonicalJson({ ...region.claims.assertion(), iat: -1 }),
  'a byte order mark': `\ufeff${claims}`,
  'an array': `[${claims}]`,
  nothing: '',
}
for (const [name, payload] of Object.entries(payloads)) {
  test(`refuses a payload with ${name}, however well signed`, async () => {
    const forged = forge(grantee.key, headerOf(grantee, typ), payload)
    await assert.rejects(verify(forged), { code: 'token_malformed' })
  })
}

test('refuses a payload that is not UTF-8', async () => {
  const key = await importJWK({ ...grantee.key }, 'Ed25519')
  const bytes = new Uint8Array([...Buffer.from('{"a":"'), 0xff, ...Buffer.from('"}')])
  const signed = await new CompactSign(bytes)
    .setProtectedHeader({ alg: 'Ed25519', kid: grantee.kid, typ })
    .sign(key)
  await assert.rejects(verify(signed), { code: 'token_malformed' })
})

test('refuses a key that the reader does not name, and one named by another thumbprint', async () => {
  const unknown = { code: 'token_unknown_key' }
  await assert.rejects(
    verifyToken(token, assertionKind, () => undefined),
    unknown,
  )
  await assert.rejects(
    verifyToken(token, assertionKind, () => stranger.jwk),
    unknown,
  )
  const other = forge(grantee.key, headerOf(grantee, typ, { kid: stranger.kid }), claims)
  await assert.rejects(verify(other), unknown)
})

test('refuses a signature of another key under the right name, and of another payload', async () => {
  const bad = { code: 'token_bad_signature' }
  await assert.rejects(verify(forge(stranger.key, headerOf(grantee, typ), claims)), bad)
  const other = await region.sign.assertion({ ws: 'ws-18' })
  const [, otherPayload = ''] = other.split('.')
  await assert.rejects(verify(`${header}.${otherPayload}.${signature}`), bad)
  await assert.rejects(verify(`${header}.${payload}.${'A'.repeat(86)}`), bad)
})

test('no bit of a token can change', async () => {
  for (let at = 0; at < token.length; at += 7) {
    for (const bit of [1, 2, 4, 16]) {
      const letter = String.fromCharCode(token.charCodeAt(at) ^ bit)
      await assert.rejects(verify(token.slice(0, at) + letter + token.slice(at + 1)))
    }
  }
})

test('a token as large as its type allows is read, a larger one is neither read nor signed', async () => {
  const { maxBytes } = credentialKind
  const sized = (length: number) =>
    forge(grantee.key, headerOf(grantee, typ), `"${'a'.repeat(length)}"`)
  const large = sized(maxBytes)
  assert.throws(() => decodeToken(large, credentialKind), { code: 'too_large' })
  // The largest payload that fits, and one letter more.
  let fits = 2000
  while (sized(fits + 1).length <= assertionKind.maxBytes) fits += 1
  assert.throws(() => decodeToken(sized(fits), assertionKind), { code: 'token_malformed' })
  assert.throws(() => decodeToken(sized(fits + 1), assertionKind), { code: 'too_large' })
  const { signer } = grantee
  const signed = await signer.sign(typ, 'a'.repeat(fits))
  assert.equal(signed, sized(fits))
  await assert.rejects(signer.sign(typ, 'a'.repeat(fits + 1)), { code: 'too_large' })
  const lax = { ...assertionKind, maxBytes: Infinity }
  assert.throws(() => decodeToken(sized(4096), lax), { code: 'too_large' })
})

test('a signer refuses what has no canonical form', async () => {
  for (const claims of [{ a: undefined }, { a: '\ud800' }, { a: Number.NaN }, new Date(0)]) {
    await assert.rejects(grantee.signer.sign(typ, claims), { code: 'bad_request' })
  }
})

test('a signer is made only of a key that matches and is strong', async () => {
  const key = privateJwk(new Uint8Array(32).fill(40))
  await assert.rejects(createSigner({ ...key, x: stranger.jwk.x }), { code: 'key_weak' })
})

test('the reader decides who may speak by the claim, too', async () => {
  const asked: [Kid, string][] = []
  await verifyToken(token, assertionKind, (kid, claims) => {
    asked.push([kid, claims.iss])
    return grantee.jwk
  })
  assert.deepEqual(asked, [[grantee.kid, grantee.urn]])
})
