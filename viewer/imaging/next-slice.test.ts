import { test } from 'node:test'
import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { type FrameState, lanesFor, lanesMax, nextSlice } from './next-slice.ts'

const states = fc.array(fc.constantFrom<FrameState>('absent', 'loading', 'shown', 'failed'), {
  minLength: 1,
  maxLength: 40,
})

test('the next slice is absent and no absent one is nearer', () => {
  fc.assert(
    fc.property(states, fc.nat(39), (list, wanted) => {
      const focus = wanted % list.length
      const next = nextSlice(list, focus)
      const absent = [...list.keys()].filter((index) => list[index] === 'absent')
      if (next === -1) return assert.deepEqual(absent, [])
      assert.equal(list[next], 'absent')
      const nearest = Math.min(...absent.map((index) => Math.abs(index - focus)))
      return assert.equal(Math.abs(next - focus), nearest)
    }),
  )
})

test('of two equally near, the one below comes first', () => {
  assert.equal(nextSlice(['absent', 'shown', 'absent'], 1), 2)
})

test('a thin link carries one frame at a time, a wide one a few', () => {
  assert.equal(lanesFor(undefined, undefined), 1)
  assert.equal(lanesFor(250_000, 524_288), 1)
  assert.equal(lanesFor(1_500_000, 524_288), 2)
  assert.equal(lanesFor(1e9, 524_288), lanesMax)
})
