import { test } from 'node:test'
import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import {
  directionLetters,
  dot,
  edgeLetters,
  gapsOf,
  normalOf,
  type Orientation,
  orientationFrom,
  orientationKey,
  vectorFrom,
} from './geometry.ts'

test('the normal is perpendicular to rows and columns', () => {
  fc.assert(
    fc.property(fc.double({ min: -3, max: 3, noNaN: true }), (angle) => {
      const [c, s] = [Math.cos(angle), Math.sin(angle)]
      const orientation: Orientation = [c, s, 0, 0, 0, -1]
      const normal = normalOf(orientation)
      assert.ok(Math.abs(dot(normal, [c, s, 0])) < 1e-12)
      assert.ok(Math.abs(dot(normal, normal) - 1) < 1e-12)
    }),
  )
})

test('letters name the side of the patient, two for an oblique direction', () => {
  assert.equal(directionLetters([1, 0, 0]), 'L')
  assert.equal(directionLetters([0, -1, 0]), 'A')
  assert.equal(directionLetters([0, 0, 1]), 'H')
  assert.equal(directionLetters([0.6, -0.8, 0]), 'AL')
  assert.equal(directionLetters([0.99, 0.1, 0]), 'L')
})

test('an axial image has the right of the patient on the left, and flips move the letters', () => {
  const axial: Orientation = [1, 0, 0, 0, 1, 0]
  assert.deepEqual(edgeLetters(axial, { flipX: false, flipY: false }), {
    left: 'R',
    right: 'L',
    top: 'A',
    bottom: 'P',
  })
  assert.deepEqual(edgeLetters(axial, { flipX: true, flipY: true }), {
    left: 'L',
    right: 'R',
    top: 'P',
    bottom: 'A',
  })
})

test('directions that differ in the last digits are one direction', () => {
  const key = orientationKey([1, 0, 0, 0, 1, 0])
  assert.equal(orientationKey([0.99999, -0.000001, 0, 0.0001, 0.99998, 0]), key)
  assert.notEqual(orientationKey([1, 0, 0, 0, 0, -1]), key)
  assert.equal(orientationKey(undefined), '')
})

test('incomplete coordinates are none', () => {
  assert.equal(vectorFrom([1, 2]), undefined)
  assert.equal(vectorFrom(undefined), undefined)
  assert.equal(orientationFrom([1, 0, 0, 0, 1]), undefined)
})

test('one slice has no step', () => {
  assert.equal(gapsOf([5]), undefined)
  assert.deepEqual(gapsOf([5, 2, -1]), { spacing: 3, isEven: true })
})
