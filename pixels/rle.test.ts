import { test } from 'node:test'
import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import type { PixelFormat } from './pixel-format.ts'
import { decodeRle } from './rle.ts'

const format = (changes: Partial<PixelFormat>): PixelFormat => ({
  rows: 1,
  columns: 4,
  samples: 1,
  bitsAllocated: 8,
  bitsStored: 8,
  signed: false,
  planar: false,
  photometric: 'MONOCHROME2',
  ...changes,
})

/** A frame out of its segments, each written as literal runs. */
function encoded(segments: readonly Uint8Array[], pack = literal): Uint8Array {
  const packed = segments.map(pack)
  const header = new DataView(new ArrayBuffer(64))
  header.setUint32(0, segments.length, true)
  let offset = 64
  for (const [index, segment] of packed.entries()) {
    header.setUint32(4 + index * 4, offset, true)
    offset += segment.length
  }
  return Buffer.concat([new Uint8Array(header.buffer), ...packed])
}

function literal(bytes: Uint8Array): Uint8Array {
  const runs: Uint8Array[] = []
  for (let at = 0; at < bytes.length; at += 128) {
    const run = bytes.subarray(at, at + 128)
    runs.push(Uint8Array.of(run.length - 1), run)
  }
  return Buffer.concat(runs)
}

test('byte planes come back as little-endian samples', () => {
  fc.assert(
    fc.property(fc.uint16Array({ minLength: 1, maxLength: 600 }), (samples) => {
      const high = Uint8Array.from(samples, (sample) => sample >> 8)
      const low = Uint8Array.from(samples, (sample) => sample & 255)
      const columns = samples.length
      const out = decodeRle(encoded([high, low]), format({ columns, bitsAllocated: 16 }))
      assert.deepEqual([...new Uint16Array(out.buffer)], [...samples])
    }),
  )
})

test('colour planes interleave by pixel', () => {
  const planes = [Uint8Array.of(1, 4), Uint8Array.of(2, 5), Uint8Array.of(3, 6)]
  const out = decodeRle(encoded(planes), format({ columns: 2, samples: 3 }))
  assert.deepEqual([...out], [1, 2, 3, 4, 5, 6])
})

test('repeated runs and the idle byte are understood', () => {
  const run = () => Uint8Array.of(128, 254, 7, 0, 9)
  assert.deepEqual([...decodeRle(encoded([new Uint8Array()], run), format({}))], [7, 7, 7, 9])
})

test('a run beyond its plane is cut, a segment that ends early is an error', () => {
  const long = () => Uint8Array.of(129, 5)
  assert.deepEqual([...decodeRle(encoded([new Uint8Array()], long), format({}))], [5, 5, 5, 5])
  for (const bytes of [[255, 5], [3, 1, 2], [254]]) {
    const short = () => Uint8Array.from(bytes)
    assert.throws(() => decodeRle(encoded([new Uint8Array()], short), format({})), /cut/)
  }
})

test('hostile headers are refused', () => {
  assert.throws(() => decodeRle(new Uint8Array(10), format({})), /cut/)
  assert.throws(() => decodeRle(encoded([Uint8Array.of(1)]), format({ samples: 3 })), /do not fit/)
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 64, maxLength: 200 }), (bytes) => {
      try {
        assert.equal(decodeRle(bytes, format({})).length, 4)
      } catch (error) {
        assert.match(String(error), /cut|do not fit/)
      }
    }),
  )
})
