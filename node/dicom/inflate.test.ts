import assert from 'node:assert/strict'
import { test } from 'node:test'
import { constants, deflateRawSync } from 'node:zlib'
import * as fc from 'fast-check'
import { ProtocolError } from '#protocol/errors.ts'
import { createInflater } from './inflate.ts'

function inflated(data: Uint8Array, pieces: readonly number[] = []): Buffer {
  const parts: Buffer[] = []
  const inflater = createInflater((part) => parts.push(Buffer.from(part)))
  let at = 0
  for (const piece of pieces) {
    inflater.write(data.subarray(at, at + piece))
    at += piece
  }
  if (at < data.length) inflater.write(data.subarray(at))
  inflater.end()
  return Buffer.concat(parts)
}

const compressible = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 400 }),
      fc.tuple(fc.nat(255), fc.nat(3000)).map(([byte, times]) => new Uint8Array(times).fill(byte)),
      fc.string({ maxLength: 300 }).map((text) => new TextEncoder().encode(text.repeat(9))),
    ),
    { maxLength: 30 },
  )
  .map((parts) => Buffer.concat(parts))

test('what zlib deflates comes back whole, however it is cut', () => {
  const { Z_FIXED, Z_HUFFMAN_ONLY, Z_RLE, Z_DEFAULT_STRATEGY } = constants
  const options = fc.record({
    level: fc.integer({ min: 0, max: 9 }),
    strategy: fc.constantFrom(Z_FIXED, Z_HUFFMAN_ONLY, Z_RLE, Z_DEFAULT_STRATEGY),
    memLevel: fc.integer({ min: 1, max: 9 }),
  })
  fc.assert(
    fc.property(
      compressible,
      options,
      fc.array(fc.integer({ min: 1, max: 900 })),
      (data, how, cuts) => {
        assert.deepEqual(inflated(deflateRawSync(data, how), cuts), data)
      },
    ),
    { numRuns: 300, seed: 7 },
  )
})

test('matches reach back over the whole window', () => {
  const block = Buffer.from(
    Array.from({ length: 32_768 }, (_, at) => (at * at * 31 + (at >> 3)) & 255),
  )
  const data = Buffer.concat(Array<Buffer>(20).fill(block))
  assert.ok(inflated(deflateRawSync(data, { level: 9 })).equals(data))
})

test('a byte of padding and the trailer of gzip may follow; anything else may not', () => {
  const data = Buffer.from('text '.repeat(100))
  const deflated = deflateRawSync(data)
  const gzip = Buffer.alloc(8)
  gzip.writeUInt32LE(data.length, 4)
  assert.ok(inflated(Buffer.concat([deflated, Buffer.of(0)])).equals(data))
  assert.ok(inflated(Buffer.concat([deflated, gzip]), [deflated.length + 3]).equals(data))
  for (const rest of [Buffer.alloc(2), Buffer.alloc(8), Buffer.alloc(100_000)]) {
    assert.throws(() => inflated(Buffer.concat([deflated, rest])), { code: 'instance_malformed' })
  }
})

test('a cut stream is truncated wherever it is cut', () => {
  const deflated = deflateRawSync(Buffer.from('abcdefgh'.repeat(50) + 'z'.repeat(5000)))
  for (let length = 0; length < deflated.length; length++) {
    assert.throws(() => inflated(deflated.subarray(0, length)), { code: 'instance_truncated' })
  }
})

test('a bomb is stopped after the agreed growth', () => {
  const bomb = deflateRawSync(Buffer.alloc(200 * 1024 * 1024))
  let grown = 0
  const inflater = createInflater((part) => {
    grown += part.length
  })
  assert.throws(() => inflater.write(bomb), { code: 'instance_too_complex' })
  assert.ok(grown <= 65 * 1024 * 1024)
})

test('damaged streams end in an error of the instance or in other bytes, never otherwise', () => {
  const good = deflateRawSync(Buffer.from('The quick brown fox. '.repeat(40)))
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.nat(255), fc.uint8Array(), (at, byte, tail) => {
      const bad = Buffer.concat([good, tail])
      bad[at] = byte
      try {
        inflated(bad)
      } catch (error) {
        assert.ok(error instanceof ProtocolError, String(error))
      }
    }),
    { numRuns: 2000, seed: 11 },
  )
})
