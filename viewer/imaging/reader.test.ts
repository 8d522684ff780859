import { test } from 'node:test'
import assert from 'node:assert/strict'
import { createReader } from './reader.ts'
import { imageOf, sliceAt, stackOf, stackOfSlices } from './stack.fixture.ts'
import { openStack } from './stack-session.ts'
import type { Stack } from './stacks.ts'

/** A stack whose frames arrive when the test says so. */
function setUp(stack: Stack) {
  const waiting: (() => void)[] = []
  const session = openStack(stack, {
    isPermanent: () => true,
    clock: () => 0,
    later: () => () => undefined,
    fetchFrame: () =>
      Promise.resolve({ bytes: new Uint8Array(8), transferSyntax: '1.2.840.10008.1.2.1' }),
    decoders: {
      decode: () =>
        new Promise((resolve) => {
          waiting.push(() => resolve({ samples: new Uint16Array(4), min: 0, max: 50 }))
        }),
      [Symbol.dispose]: () => undefined,
    },
  })
  const settle = () => new Promise((resolve) => setImmediate(resolve))
  return {
    reader: createReader(session),
    arrive: async () => {
      await settle()
      for (const run of waiting.splice(0)) run()
      await settle()
    },
  }
}

test('a stack opens in its middle, a run at its beginning', () => {
  assert.equal(setUp(stackOfSlices(9)).reader.slice.value, 4)
  assert.equal(setUp(stackOf(imageOf({ '00280008': { Value: [9] } }))).reader.slice.value, 0)
})

test('scrolling stays within the stack', () => {
  const { reader } = setUp(stackOfSlices(9))
  reader.step(100)
  assert.equal(reader.slice.value, 8)
  reader.step(-100)
  assert.equal(reader.slice.value, 0)
})

test('a run waits for a frame that has not come, and begins again after the last', async () => {
  const { reader, arrive } = setUp(stackOf(imageOf({ '00280008': { Value: [2] } })))
  reader.advance()
  assert.equal(reader.slice.value, 0)
  await arrive()
  await arrive()
  reader.advance()
  assert.equal(reader.slice.value, 1)
  reader.advance()
  assert.equal(reader.slice.value, 0)
})

test('the state of the slice on the screen follows the loader', async () => {
  const { reader, arrive } = setUp(stackOfSlices(1))
  assert.equal(reader.state.value, 'loading')
  await arrive()
  assert.equal(reader.state.value, 'shown')
  assert.deepEqual(reader.window.value, { center: 25.5, width: 51 })
})

test('the choice that is shown follows the slice, and the reader’s own one comes back', () => {
  const voiTable = { '00283002': { Value: [2, 0, 8] }, '00283006': { Value: [0, 200] } }
  const tabled = sliceAt(1, 0, { '00283010': { Value: [voiTable] } })
  const { reader } = setUp(stackOf(tabled, sliceAt(2, 1)))
  reader.go(0)
  reader.choice.value = { kind: 'table', index: 0 }
  assert.deepEqual(reader.choiceShown.value, { kind: 'table', index: 0 })
  reader.go(1)
  assert.deepEqual(reader.choiceShown.value, { kind: 'auto' })
  reader.go(0)
  assert.equal(reader.voi.value.kind, 'table')
})

test('reset brings back the first window and turns the image the right way round', () => {
  const { reader } = setUp(stackOfSlices(3))
  reader.dragWindow({ x: 10, y: 10 })
  reader.inverted.value = true
  reader.flipX.value = true
  reader.reset()
  assert.deepEqual(reader.choice.value, { kind: 'auto' })
  assert.deepEqual([reader.inverted.value, reader.flipX.value], [false, false])
})
