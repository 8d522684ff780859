import { test } from 'node:test'
import assert from 'node:assert/strict'
import { maskStored, rangeOf, samplesOf, swapBytes, unpackBits } from './bits.ts'

test('samples have the type that their format asks for', () => {
  assert.ok(samplesOf({ bitsAllocated: 8, signed: false }, 2) instanceof Uint8Array)
  assert.ok(samplesOf({ bitsAllocated: 16, signed: true }, 2) instanceof Int16Array)
  assert.ok(samplesOf({ bitsAllocated: 32, signed: false }, 2) instanceof Uint32Array)
  const bytes = Uint8Array.of(255, 255)
  assert.deepEqual([...samplesOf({ bitsAllocated: 16, signed: true }, bytes.buffer)], [-1])
})

test('overlay bits above the stored ones go, the sign stays', () => {
  const unsigned = Uint16Array.of(0xf123, 0x0fff)
  maskStored(unsigned, 12, false)
  assert.deepEqual([...unsigned], [0x0123, 0x0fff])
  const signed = Int16Array.of(0x7fff, 0x0800, 0x07ff)
  maskStored(signed, 12, true)
  assert.deepEqual([...signed], [-1, -2048, 2047])
  const whole = Uint16Array.of(0xffff)
  maskStored(whole, 16, false)
  assert.deepEqual([...whole], [0xffff])
})

test('single bits unpack from the least significant', () => {
  assert.deepEqual([...unpackBits(Uint8Array.of(0b101, 0b1), 9)], [1, 0, 1, 0, 0, 0, 0, 0, 1])
  assert.throws(() => unpackBits(Uint8Array.of(1), 9), /cut/)
})

test('bytes swap within samples and leave a rest alone', () => {
  const bytes = Uint8Array.of(1, 2, 3, 4, 5)
  swapBytes(bytes, 2)
  assert.deepEqual([...bytes], [2, 1, 4, 3, 5])
})

test('the range of nothing is zero', () => {
  assert.deepEqual(rangeOf(new Uint8Array()), { min: 0, max: 0 })
  assert.deepEqual(rangeOf(Int16Array.of(3, -7, 5)), { min: -7, max: 5 })
})
