import { test } from 'node:test'
import assert from 'node:assert/strict'
import { imageOf, sliceAt, stackOf } from './stack.fixture.ts'
import { draggedWindow, firstChoice, fullWindow, voiOf, windowOf } from './windowing.ts'

const windowed = (instance: number, center: number) =>
  sliceAt(instance, instance, { '00281050': { Value: [center] }, '00281051': { Value: [100] } })

test('the window of the file is the first choice, slice by slice', () => {
  const stack = stackOf(windowed(1, 10), windowed(2, 20))
  const choice = firstChoice(stack)
  assert.deepEqual(choice, { kind: 'file', index: 0 })
  const voi = voiOf(stack, 1, { choice, range: undefined })
  assert.deepEqual(windowOf(voi), { center: 20, width: 100, name: '' })
})

test('a file without a window is shown with the range of its values', () => {
  const stack = stackOf(imageOf({ '00281052': { Value: [-1000] }, '00281053': { Value: [2] } }))
  assert.deepEqual(firstChoice(stack), { kind: 'auto' })
  const range = { min: 100, max: 600 }
  assert.deepEqual(fullWindow(stack, 0, range), { center: -299.5, width: 1001 })
  assert.deepEqual(fullWindow(stack, 0, undefined), { center: 3095.5, width: 8191 })
})

test('a VOI table comes before the range, and dragging starts near it', () => {
  const stack = stackOf(
    imageOf({
      '00283010': {
        Value: [{ '00283002': { Value: [4, 100, 8] }, '00283006': { Value: [0, 80, 160, 255] } }],
      },
    }),
  )
  const choice = firstChoice(stack)
  assert.deepEqual(choice, { kind: 'table', index: 0 })
  assert.deepEqual(windowOf(voiOf(stack, 0, { choice, range: undefined })), {
    center: 102,
    width: 4,
  })
})

test('dragging widens to the right and never ends in an empty window', () => {
  const wide = draggedWindow({ center: 40, width: 400 }, { x: 64, y: 0 })
  assert.equal(wide.width, 500)
  let window = { center: 40, width: 400 }
  for (let step = 0; step < 500; step++) window = draggedWindow(window, { x: -50, y: 0 })
  assert.equal(window.width, 1)
  assert.ok(draggedWindow(window, { x: 100, y: 0 }).width > 1)
})
