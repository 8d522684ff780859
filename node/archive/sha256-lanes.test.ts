import { test } from 'node:test'
import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import * as fc from 'fast-check'
import { noise } from './archive.fixture.ts'
import { createLanes } from './sha256-lanes.ts'

const bytesMax = 64 * 1024
const lanes = createLanes(bytesMax)

const same = (messages: readonly Uint8Array[]): void =>
  assert.deepEqual(
    lanes(messages).map((digest) => digest.toString('hex')),
    messages.map((message) => hash('sha256', message)),
  )

test('four messages side by side have the digests that the platform gives them', () => {
  const message = fc.record({ seed: fc.integer({ min: 0 }), lanes: fc.integer({ min: 1, max: 4 }) })
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 40 }), message, (blocks, { seed, lanes: count }) => {
      same(Array.from({ length: count }, (_, lane) => noise(blocks * 64, seed + lane)))
    }),
    { seed: 1, numRuns: 300 },
  )
})

test('every bit of a message counts, and none of the others beside it', () => {
  for (let bit = 0; bit < 512; bit++) {
    const message = Buffer.alloc(64)
    message.writeUInt8(1 << (bit % 8), bit >> 3)
    same([Buffer.alloc(64), message, Buffer.alloc(64, 0xff), message])
  }
})

test('messages as long as they may be, and after them shorter ones', () => {
  same([1, 2, 3, 4].map((seed) => noise(bytesMax, seed)))
  same([5, 6, 7].map((seed) => noise(64, seed)))
})
