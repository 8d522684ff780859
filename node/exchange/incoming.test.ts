import { test } from 'node:test'
import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { createIncoming } from './incoming.ts'

const runs = { seed: 20261125, numRuns: 300 }
const limits = { chunkBytes: 16, openChunksMax: 4 }
const source = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 7) & 255)

test('whatever order, overlap and size pieces come in, chunks are what was sent, and all come in the end', () => {
  const piece = fc.record({ offset: fc.nat(120), length: fc.integer({ min: 1, max: 60 }) })
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 120 }), fc.array(piece), (total, pieces) => {
      const all = source(total)
      const incoming = createIncoming(total, limits)
      const whole = new Map<number, Uint8Array>()
      const feed = (offset: number, length: number): void => {
        const bytes = all.subarray(offset, offset + length)
        for (const { index, bytes: chunk } of incoming.take(offset, bytes, (i) => !whole.has(i))) {
          assert.ok(!whole.has(index), 'a chunk comes once')
          whole.set(index, chunk)
        }
      }
      for (const { offset, length } of pieces) if (offset < total) feed(offset, length)
      // What is missing then is asked for as a reader does.
      for (let index = 0; index * limits.chunkBytes < total; index++) {
        if (whole.has(index)) continue
        const from = index * limits.chunkBytes + incoming.filled(index)
        feed(from, (index + 1) * limits.chunkBytes - from)
      }
      const chunks = [...whole].sort(([a], [b]) => a - b).map(([, chunk]) => chunk)
      assert.ok(Buffer.concat(chunks).equals(all))
      assert.equal(incoming.bytes(), 0)
    }),
    runs,
  )
})

test('the number of half chunks in memory is bounded', () => {
  const incoming = createIncoming(16 * 100, limits)
  for (let index = 0; index < 100; index++) {
    incoming.take(index * 16, new Uint8Array(8), () => true)
    assert.ok(incoming.bytes() <= 4 * 8)
  }
})
