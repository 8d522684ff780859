import { test } from 'node:test'
import assert from 'node:assert/strict'
import { createWheel, dragZoom, modeOf, pixelsPerSlice } from './gestures.ts'

test('the right button is the window, the middle one moves, the left one is the tool', () => {
  assert.equal(modeOf(2, 'pan'), 'window')
  assert.equal(modeOf(1, 'window'), 'pan')
  assert.equal(modeOf(0, 'zoom'), 'zoom')
})

test('a notch of the wheel is one slice, however far the system lets it go', () => {
  const wheel = createWheel()
  assert.equal(wheel.slices({ deltaY: 100, deltaMode: 0 }), 1)
  assert.equal(wheel.slices({ deltaY: -120, deltaMode: 0 }), -1)
  assert.equal(wheel.slices({ deltaY: 3, deltaMode: 1 }), 1)
})

test('small steps of a touchpad add up, and turning round starts anew', () => {
  const wheel = createWheel()
  const steps = (deltaY: number, count: number) =>
    Array.from({ length: count }, () => wheel.slices({ deltaY, deltaMode: 0 })).reduce(
      (sum, slices) => sum + slices,
      0,
    )
  assert.equal(steps(4, 12), 2)
  assert.equal(steps(4, 5), 0)
  assert.equal(steps(-4, 5), 0)
  assert.equal(steps(-4, 1), -1)
})

test('a drag goes through a whole stack, and through a small one without jumping', () => {
  assert.equal(pixelsPerSlice(800, 320), 2)
  assert.equal(pixelsPerSlice(800, 1000), 2)
  assert.equal(pixelsPerSlice(800, 4), 24)
})

test('zooming up and down by the same way ends where it began', () => {
  assert.equal(dragZoom(0), 1)
  assert.ok(dragZoom(-50) > 1)
  assert.ok(Math.abs(dragZoom(-50) * dragZoom(50) - 1) < 1e-12)
})
