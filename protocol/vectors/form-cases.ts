import { ed25519 } from '@noble/curves/ed25519.js'
import { encodeBase58, encodeBase64url } from '../bytes.ts'
import type { Federation } from '../federation.fixture.ts'
import type { Case } from './cases.ts'

/** Examples of what everything else rests on: canonical JSON, keys, peer ids. */
export function formCases(region: Federation): Case[] {
  return [...jsonCases(), ...keyCases(region)]
}

const json = (name: string, why: string, text: string, isValid = false): Case => ({
  name,
  ...(isValid ? {} : { error: 'bad_request' }),
  vector: { message: 'canonical-json', why, text },
})

function jsonCases(): Case[] {
  return [
    json(
      'json-sorted-members',
      'members are sorted by UTF-16 code unit',
      '{"1":0,"a":1,"я":2}',
      true,
    ),
    json('json-numbers', 'numbers are printed as ECMAScript prints them', '[0,-1,0.5,1e+21]', true),
    json('json-escapes', 'only what must be escaped is, in lower case', '"\\u001f\\n\\"/€"', true),
    json('json-duplicate-member', 'the last one must not win silently', '{"a":1,"a":2}'),
    json('json-members-out-of-order', 'one value has one text', '{"b":1,"a":2}'),
    json('json-white-space', 'one value has one text', '{"a": 1}'),
    json('json-needless-exponent', 'one number has one text', '1e2'),
    json('json-minus-zero', 'zero has one text', '-0'),
    json('json-needless-escape', 'one letter has one text', '"\\u0041"'),
    json('json-lone-surrogate', 'a text that is no Unicode text', '"\\ud800"'),
    json('json-byte-order-mark', 'a value begins with itself', '\ufeff{}'),
    json('json-too-deep', 'nesting is bounded', `${'['.repeat(200)}${']'.repeat(200)}`),
  ]
}

function keyCases(region: Federation): Case[] {
  const { jwk, peerId } = region.holder
  const key = (name: string, why: string, x: string, isValid = false): Case => ({
    name,
    ...(isValid ? {} : { error: 'key_weak' }),
    vector: { message: 'key', why, jwk: { kty: 'OKP', crv: 'Ed25519', x } },
  })
  const hex = (text: string): string => encodeBase64url(Uint8Array.from(Buffer.from(text, 'hex')))
  const smallOrder = '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05'
  const mixed = ed25519.Point.BASE.multiply(7n).add(ed25519.Point.fromHex(smallOrder))
  const rsa = Uint8Array.from([0x00, 0x24, 0x08, 0x00, 0x12, 0x20, ...new Uint8Array(32)])
  const peer = (name: string, why: string, text: string, isValid = false): Case => ({
    name,
    ...(isValid ? {} : { error: 'bad_request' }),
    vector: { message: 'peer-id', why, peerId: text },
  })
  const otherBits = jwk.x.slice(0, -1) + String.fromCharCode(jwk.x.charCodeAt(42) + 1)
  return [
    key('key', 'one key, its thumbprint and its peer id', jwk.x, true),
    key('key-identity', 'every signature fits every message', hex(`01${'00'.repeat(31)}`)),
    key('key-order-2', 'a point of small order', hex(`ec${'ff'.repeat(30)}7f`)),
    key('key-order-4', 'a point of small order', hex('00'.repeat(32))),
    key('key-order-8', 'a point of small order', hex(smallOrder)),
    key(
      'key-mixed-order',
      'a point outside the prime-order group',
      encodeBase64url(mixed.toBytes()),
    ),
    key(
      'key-not-canonical',
      'y above the field prime: a second spelling',
      hex(`ee${'ff'.repeat(30)}7f`),
    ),
    key('key-not-on-curve', 'no point has this y', hex(`02${'00'.repeat(31)}`)),
    key('key-trailing-bits', 'a second base64url spelling, so a second thumbprint', otherBits),
    peer('peer-id', 'the identity multihash of an Ed25519 key, base58btc', peerId, true),
    peer('peer-id-of-rsa-key', 'only Ed25519 keys are members', encodeBase58(rsa)),
    peer('peer-id-cut', 'one letter is missing', peerId.slice(0, -1)),
  ]
}
