import { test } from 'node:test'
import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { applyPalette, interleave, narrow, ybr422ToRgb, ybrToRgb } from '#pixels/colour.ts'
import { paletteOf } from './palette.ts'

test('grey stays grey and the primaries come out as they are', () => {
  assert.deepEqual(
    [...ybrToRgb(Uint8Array.of(0, 128, 128, 200, 128, 128))],
    [0, 0, 0, 200, 200, 200],
  )
  assert.deepEqual([...ybrToRgb(Uint8Array.of(76, 85, 255))], [254, 0, 0])
})

test('converted colours never leave the range of a byte', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 3, maxLength: 3 }), (pixel) => {
      assert.equal(ybrToRgb(pixel).length, 3)
    }),
  )
})

test('two pixels of YBR_FULL_422 share their chroma', () => {
  const out = ybr422ToRgb(Uint8Array.of(10, 20, 128, 128), 2)
  assert.deepEqual([...out], [10, 10, 10, 20, 20, 20])
  assert.throws(() => ybr422ToRgb(Uint8Array.of(1, 2), 2), /cut/)
})

test('planes become pixels, with two bytes a sample too', () => {
  const format = {
    rows: 1,
    columns: 2,
    samples: 3,
    bitsStored: 8,
    signed: false,
    planar: true,
    photometric: 'RGB',
  }
  const bytes = interleave(Uint8Array.of(1, 2, 3, 4, 5, 6), { ...format, bitsAllocated: 8 })
  assert.deepEqual([...bytes], [1, 3, 5, 2, 4, 6])
  const words = interleave(
    Uint8Array.from({ length: 12 }, (_, at) => at),
    {
      ...format,
      bitsAllocated: 16,
    },
  )
  assert.deepEqual([...words], [0, 1, 4, 5, 8, 9, 2, 3, 6, 7, 10, 11])
})

test('a palette maps indexes and holds at its ends', () => {
  const palette = paletteOf(
    {
      '00281101': { Value: [2, 65_535, 16] },
      '00281201': { Value: [0x1000, 0xff00] },
      '00281202': { Value: [0x2000, 0x2000] },
      '00281203': { Value: [0x3000, 0x3000] },
    },
    true,
  )
  assert.ok(palette !== undefined)
  assert.equal(palette.first, -1)
  assert.deepEqual(
    [...applyPalette([-5, -1, 0, 9], palette)],
    [0x10, 0x20, 0x30, 0x10, 0x20, 0x30, 0xff, 0x20, 0x30, 0xff, 0x20, 0x30],
  )
})

test('a palette stated as 16 bits but filled as 8 is not shown black', () => {
  const channel = { Value: [0, 200] }
  const palette = paletteOf(
    {
      '00281101': { Value: [2, 0, 16] },
      '00281201': channel,
      '00281202': channel,
      '00281203': channel,
    },
    false,
  )
  assert.deepEqual([...(palette?.red ?? [])], [0, 200])
  assert.equal(paletteOf({}, false), undefined)
})

test('wide samples narrow to a byte', () => {
  assert.deepEqual([...narrow([0, 4095, 2048], 12)], [0, 255, 128])
})
