import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import {
  decodeBase58,
  decodeBase64url,
  encodeBase58,
  encodeBase64url,
  sha256,
  toHex,
} from './bytes.ts'

const refused = { code: 'bad_request' }

test('base64url agrees with the platform and reads back', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const text = encodeBase64url(bytes)
      assert.equal(text, Buffer.from(bytes).toString('base64url'))
      assert.deepEqual(decodeBase64url(text), new Uint8Array(bytes))
    }),
    { seed: 1 },
  )
})

test('base64url has one spelling: whatever decodes, encodes to the same text', () => {
  const letters = 'ABCDwxyz0189-_+/=. \n\u0421'
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom(...Array.from(letters)), maxLength: 12 }),
      (text) => {
        let bytes
        try {
          bytes = decodeBase64url(text)
        } catch {
          return
        }
        assert.equal(encodeBase64url(bytes), text)
      },
    ),
    { seed: 2, numRuns: 5000 },
  )
})

for (const text of ['A', 'AB', 'AAB', 'AA==', 'AA=', 'A+AA', 'A/AA', ' AAAA', 'AAAA\n', 'АААА']) {
  test(`base64url refuses ${JSON.stringify(text)}`, () => {
    assert.throws(() => decodeBase64url(text), refused)
  })
}

test('base58 reads back at the length that is expected, and at no other', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 40 }), (bytes) => {
      const text = encodeBase58(bytes)
      assert.deepEqual(decodeBase58(text, bytes.length), new Uint8Array(bytes))
      assert.throws(() => decodeBase58(text, bytes.length + 1), refused)
      assert.throws(() => decodeBase58(text, bytes.length - 1), refused)
    }),
    { seed: 3 },
  )
})

test('base58 refuses foreign letters and texts that are much too long', () => {
  for (const text of ['0', 'O', 'I', 'l', ' ', '', '1'.repeat(1_000_000), 'z'.repeat(1_000_000)]) {
    assert.throws(() => decodeBase58(text, 38), refused)
  }
})

test('a digest is the one that everybody computes', async () => {
  const expected = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
  assert.equal(toHex(await sha256('abc')), expected)
  const shared = new Uint8Array(new SharedArrayBuffer(3))
  shared.set([97, 98, 99])
  assert.equal(toHex(await sha256(shared)), expected)
  assert.equal(toHex(await sha256(Buffer.from('xabcx').subarray(1, 4))), expected)
})
