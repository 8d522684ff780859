import { test } from 'node:test'
import assert from 'node:assert/strict'
import { Index, View } from 'dwv'
import type { Attributes } from '../api/dicom-json.ts'
import { sliceAt, stackOf } from '../imaging/stack.fixture.ts'
import { installFastView } from './fast-view.ts'
import { StreamImage } from './stream-image.ts'

const tableOf = (...values: number[]): Attributes => ({
  '00283000': {
    Value: [{ '00283002': { Value: [values.length, 0, 8] }, '00283006': { Value: values } }],
  },
})

/** What dwv would put on the canvas for one slice: the red of each pixel. */
function painted(view: View, slice: number): number[] {
  const data = { data: new Uint8ClampedArray(2 * 2 * 4) }
  view.generateImageData(data as unknown as ImageData, new Index([0, 0, 0, slice]))
  return [...data.data].filter((_, at) => at % 4 === 0)
}

test('each slice is shown through the modality table of its own file', () => {
  installFastView()
  const stack = stackOf(
    sliceAt(1, 0, tableOf(0, 10, 20, 30)),
    sliceAt(2, 1, tableOf(0, 50, 100, 200)),
  )
  const samples = Uint16Array.of(0, 1, 2, 3, 0, 1, 2, 3)
  const voi = {
    kind: 'window',
    window: { center: 127.5, width: 255 },
    shape: 'LINEAR_EXACT',
  } as const
  const display = { voi, inverted: false, flipX: false, flipY: false }
  const view = new View(new StreamImage(stack, samples, display))
  assert.deepEqual(painted(view, 0), [0, 10, 20, 30])
  assert.deepEqual(painted(view, 1), [0, 50, 100, 200])
  assert.deepEqual(painted(view, 0), [0, 10, 20, 30])
})

test('a VOI table that is alike in all but its entries is another', () => {
  installFastView()
  const stack = stackOf(sliceAt(1, 0), sliceAt(2, 1))
  const samples = Uint16Array.of(0, 1, 2, 3, 0, 1, 2, 3)
  const voiOf = (...values: number[]) =>
    ({ kind: 'table', table: { name: '', first: 0, bits: 8, values } }) as const
  const display = { inverted: false, flipX: false, flipY: false }
  const image = new StreamImage(stack, samples, { ...display, voi: voiOf(0, 10, 20, 30) })
  const view = new View(image)
  assert.deepEqual(painted(view, 0), [0, 10, 20, 30])
  image.display = { ...display, voi: voiOf(0, 50, 100, 200) }
  assert.deepEqual(painted(view, 1), [0, 50, 100, 200])
})
