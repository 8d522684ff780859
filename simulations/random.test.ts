import { test } from 'node:test'
import assert from 'node:assert/strict'
import { createRandom } from './random.ts'

test('the same seed gives the same chance, another seed another', () => {
  const draw = (seed: number) => {
    const random = createRandom(seed)
    return [random.next(), random.int(1000), ...random.bytes(4)]
  }
  assert.deepEqual(draw(7), draw(7))
  assert.notDeepEqual(draw(7), draw(8))
})

test('uniform and normal draws have the moments they should', () => {
  const random = createRandom(1)
  const count = 50_000
  let sum = 0
  let normal = 0
  let square = 0
  for (let i = 0; i < count; i++) {
    sum += random.next()
    const value = random.normal()
    normal += value
    square += value * value
  }
  assert.ok(Math.abs(sum / count - 0.5) < 0.01)
  assert.ok(Math.abs(normal / count) < 0.02)
  assert.ok(Math.abs(square / count - 1) < 0.03)
})
