import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ed25519 } from '@noble/curves/ed25519.js'
import * as fc from 'fast-check'
import { calculateJwkThumbprint } from 'jose'
import { encodeBase58, encodeBase64url } from './bytes.ts'
import type { PeerIdString, PublicJwk } from './ids.ts'
import {
  checkPrivateKey,
  checkPublicKey,
  jwkOfPeerId,
  peerIdOf,
  privateJwk,
  publicJwk,
  thumbprint,
} from './keys.ts'

const jwkOf = (x: string): PublicJwk => ({ kty: 'OKP', crv: 'Ed25519', x })
const ofHex = (hex: string): PublicJwk => jwkOf(encodeBase64url(Buffer.from(hex, 'hex')))
const weak = { code: 'key_weak' }

const smallOrder = {
  identity: `01${'00'.repeat(31)}`,
  'order 2': `ec${'ff'.repeat(30)}7f`,
  'order 4': '00'.repeat(32),
  'order 4, the other': `${'00'.repeat(31)}80`,
  'order 8, first': '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'order 8, second': '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85',
  'order 8, third': 'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'order 8, fourth': 'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa',
}
for (const [name, hex] of Object.entries(smallOrder)) {
  test(`refuses the point of small order: ${name}`, () => {
    assert.throws(() => checkPublicKey(ofHex(hex)), weak)
  })
}

const otherSpellings = {
  'the identity with a sign': `01${'00'.repeat(30)}80`,
  'y = -1 with a sign': 'ff'.repeat(31).replace(/^ff/, 'ec') + 'ff',
  'y = p': `ed${'ff'.repeat(30)}7f`,
  'y = p + 1': `ee${'ff'.repeat(30)}7f`,
  'y = 2^255 - 1': `${'ff'.repeat(31)}7f`,
  'y that is on no point': `02${'00'.repeat(31)}`,
}
for (const [name, hex] of Object.entries(otherSpellings)) {
  test(`refuses what is no canonical point: ${name}`, () => {
    assert.throws(() => checkPublicKey(ofHex(hex)), weak)
  })
}

test('refuses a good point with a small-order point added to it', () => {
  const torsion = ed25519.Point.fromHex(smallOrder['order 8, first'])
  const key = ed25519.Point.BASE.multiply(1234n).add(torsion)
  assert.throws(() => checkPublicKey(jwkOf(encodeBase64url(key.toBytes()))), weak)
})

test('refuses a key whose base64url has set trailing bits, padding or another length', () => {
  const { x } = privateJwk(new Uint8Array(32).fill(9))
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const last = alphabet.indexOf(x.charAt(42))
  for (const more of [1, 2, 3]) {
    const other = x.slice(0, 42) + alphabet.charAt(last + more)
    assert.deepEqual(Buffer.from(other, 'base64url'), Buffer.from(x, 'base64url'))
    assert.throws(() => checkPublicKey(jwkOf(other)), weak)
  }
  for (const other of [`${x}=`, `${x}A`, x.slice(1), '', ` ${x}`]) {
    assert.throws(() => checkPublicKey(jwkOf(other)), weak)
  }
})

test('a private key must be of the public half beside it', () => {
  const key = privateJwk(new Uint8Array(32).fill(9))
  const other = privateJwk(new Uint8Array(32).fill(10))
  checkPrivateKey(key)
  assert.throws(() => checkPrivateKey({ ...key, x: other.x }), weak)
  assert.throws(() => checkPrivateKey({ ...key, d: other.d }), weak)
  assert.throws(() => checkPrivateKey({ ...key, d: key.d.slice(1) }), weak)
  assert.throws(() => privateJwk(new Uint8Array(31)), weak)
})

test('a public key of another length has no peer id', () => {
  for (const x of ['', 'AAAA', 'A'.repeat(44)]) assert.throws(() => peerIdOf(jwkOf(x)), weak)
})

test('the public half has no private member', () => {
  const key = privateJwk(new Uint8Array(32).fill(9))
  assert.deepEqual(Object.keys(publicJwk(key)).sort(), ['crv', 'kty', 'x'])
})

test('the thumbprint is that of RFC 8037 A.3, whatever else the object carries', async () => {
  const jwk = jwkOf('11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo')
  assert.equal(await thumbprint(jwk), 'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k')
  assert.equal(await thumbprint({ ...jwk, kid: 'a' } as PublicJwk), await thumbprint(jwk))
  assert.equal(await thumbprint(jwk), await calculateJwkThumbprint(jwk))
})

test('key and peer id name each other', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (seed) => {
      const jwk = publicJwk(privateJwk(seed))
      const peer = peerIdOf(jwk)
      assert.match(peer, /^12D3KooW[1-9A-HJ-NP-Za-km-z]{44}$/)
      assert.deepEqual(jwkOfPeerId(peer), jwk)
    }),
    { seed: 4, numRuns: 50 },
  )
})

test('the peer id is the one of the libp2p specification', () => {
  // libp2p peer-ids specification, test vector of an Ed25519 key.
  const x = Buffer.from('1ed1e8fae2c4a144b8be8fd4b47bf3d3b34b871c3cacf6010f0e42d474fce27e', 'hex')
  const peer = peerIdOf(jwkOf(x.toString('base64url')))
  assert.deepEqual(jwkOfPeerId(peer), jwkOf(x.toString('base64url')))
  assert.equal(peer.startsWith('12D3KooW'), true)
})

test('refuses peer ids of other keys and other spellings', () => {
  const rsa = Uint8Array.from([0x00, 0x24, 0x08, 0x00, 0x12, 0x20, ...new Uint8Array(32)])
  for (const text of [encodeBase58(rsa), 'QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N', '']) {
    assert.throws(() => jwkOfPeerId(text as PeerIdString), { code: 'bad_request' })
  }
})
