import { test } from 'node:test'
import assert from 'node:assert/strict'
import { brightness } from '#pixels/grey.ts'
import { imageOf, sliceAt, stackOf } from './stack.fixture.ts'
import {
  choiceOn,
  draggedWindow,
  firstChoice,
  fullWindow,
  handDrawn,
  voiOf,
  type WindowChoice,
  windowOf,
} from './windowing.ts'

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

test('a slice is shown through its own VOI table and function', () => {
  const sloped = (instance: number, last: number, shape: string) =>
    sliceAt(instance, instance, {
      '00281056': { Value: [shape] },
      '00283010': {
        Value: [{ '00283002': { Value: [2, 0, 8] }, '00283006': { Value: [0, last] } }],
      },
    })
  const stack = stackOf(sloped(1, 100, 'SIGMOID'), sloped(2, 255, 'LINEAR'))
  const choice = firstChoice(stack)
  const voi = [0, 1].map((slice) => voiOf(stack, slice, { choice, range: undefined }))
  assert.deepEqual(
    voi.map((one) => one.kind === 'table' && [...one.table.values]),
    [
      [0, 100],
      [0, 255],
    ],
  )
  assert.deepEqual(
    stack.slices.map(({ shape }) => shape),
    ['SIGMOID', 'LINEAR'],
  )
})

test('a slice that has not what was chosen is shown as its file says first', () => {
  const voiTable = { '00283002': { Value: [2, 0, 8] }, '00283006': { Value: [0, 200] } }
  const both = windowed(1, 10)
  const stack = stackOf(
    { ...both, '00283010': { Value: [voiTable, voiTable] } },
    windowed(2, 20),
    sliceAt(3, 3, { '00283010': { Value: [voiTable] } }),
    sliceAt(4, 4),
  )
  const shown = (choice: WindowChoice) =>
    stack.slices.map((_, slice) => {
      const holds = choiceOn(stack, slice, choice)
      const range = { min: 0, max: 9 }
      assert.deepEqual(
        voiOf(stack, slice, { choice, range }),
        voiOf(stack, slice, { choice: holds, range }),
      )
      return 'index' in holds ? `${holds.kind} ${holds.index}` : holds.kind
    })
  assert.deepEqual(shown({ kind: 'table', index: 1 }), ['table 1', 'file 0', 'table 0', 'auto'])
  assert.deepEqual(shown({ kind: 'file', index: 0 }), ['file 0', 'file 0', 'table 0', 'auto'])
  assert.deepEqual(shown({ kind: 'auto' }), ['auto', 'auto', 'auto', 'auto'])
  const voi = voiOf(stack, 1, { choice: { kind: 'table', index: 1 }, range: undefined })
  assert.equal(windowOf(voi).center, 20)
})

test('dragging widens to the right and never ends in an empty window', () => {
  const wide = draggedWindow({ center: 40, width: 400 }, { x: 64, y: 0 })
  assert.equal(wide.width, 500)
  let window = { center: 40, width: 400 }
  for (let step = 0; step < 500; step++) window = draggedWindow(window, { x: -50, y: 0 })
  assert.equal(window.width, 1)
  assert.ok(draggedWindow(window, { x: 100, y: 0 }).width > 1)
})

test('values that differ by fractions keep their greys when their window is drawn by hand', () => {
  const fine = { '00281053': { Value: [0.001] }, '00281052': { Value: [0] } }
  const exact = {
    '00281050': { Value: [0.5] },
    '00281051': { Value: [0.8] },
    '00281056': { Value: ['LINEAR_EXACT'] },
  }
  for (const stack of [stackOf(imageOf({ ...fine, ...exact })), stackOf(imageOf(fine))]) {
    const range = { min: 100, max: 900 }
    const levels = (choice: WindowChoice) => {
      const voi = voiOf(stack, 0, { choice, range })
      return [0.3, 0.5, 0.7].map((value) => Math.round(brightness(voi, value)))
    }
    const choice = firstChoice(stack)
    const voi = voiOf(stack, 0, { choice, range })
    const still = { kind: 'manual', window: handDrawn(stack, voi, { x: 0, y: 0 }) } as const
    assert.deepEqual(levels(still), levels(choice))
    const wider = handDrawn(stack, voi, { x: 1, y: 0 })
    assert.ok(wider.width > 0.8 && wider.width < 0.82)
  }
})
