import { test } from 'node:test'
import assert from 'node:assert/strict'
import { imageOf, stackOf } from './stack.fixture.ts'
import { thumbnailOf } from './thumbnail.ts'

const voi = { kind: 'window', window: { center: 128, width: 256 }, shape: 'LINEAR' } as const

test('a thumbnail keeps the shape of the image, with its pixel spacing', () => {
  const stack = stackOf(
    imageOf({
      '00280010': { Value: [100] },
      '00280011': { Value: [400] },
      '00280030': { Value: [2, 1] },
    }),
  )
  const { width, height } = thumbnailOf(stack, 0, {
    samples: new Uint16Array(40_000),
    first: 0,
    voi,
  })
  assert.deepEqual([width, height], [120, 60])
})

test('a small image is not enlarged, and its greys are those of the window', () => {
  const stack = stackOf(imageOf({}))
  const samples = Uint16Array.of(9, 9, 9, 9, 0, 255, 127, 64)
  const { width, pixels } = thumbnailOf(stack, 0, { samples, first: 4, voi })
  assert.equal(width, 2)
  assert.deepEqual(Array.from(pixels.subarray(0, 8)), [0, 0, 0, 255, 255, 255, 255, 255])
})

test('the lowest value of MONOCHROME1 is white', () => {
  const stack = stackOf(imageOf({ '00280004': { Value: ['MONOCHROME1'] } }))
  const { pixels } = thumbnailOf(stack, 0, { samples: new Uint16Array(4), first: 0, voi })
  assert.equal(pixels[0], 255)
})

test('colour stays colour', () => {
  const stack = stackOf(
    imageOf({
      '00280002': { Value: [3] },
      '00280004': { Value: ['RGB'] },
      '00280100': { Value: [8] },
    }),
  )
  const samples = Uint8Array.from({ length: 12 }, (_, at) => at)
  const { pixels } = thumbnailOf(stack, 0, { samples, first: 0, voi })
  assert.deepEqual(Array.from(pixels.subarray(0, 8)), [0, 1, 2, 255, 3, 4, 5, 255])
})
