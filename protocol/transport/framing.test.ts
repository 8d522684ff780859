import { test } from 'node:test'
import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { Uint8ArrayList } from 'uint8arraylist'
import type { ControlFrame } from '../control.ts'
import { ProtocolError } from '../errors.ts'
import { streamLimits } from '../limits.ts'
import { decodeBulk, decodeControl, encodeBulk, encodeControl } from './framing.ts'
import type { Bytes } from './streams.ts'

const runs = { seed: 20261125, numRuns: 200 }

/** Cuts bytes at the given places; every second part travels as a list, as the muxer delivers it. */
async function* split(bytes: Uint8Array, cuts: readonly number[]): AsyncGenerator<Bytes> {
  const ends = [...new Set(cuts.map((cut) => cut % (bytes.byteLength + 1)))].sort((a, b) => a - b)
  let start = 0
  for (const end of [...ends, bytes.byteLength]) {
    const part = bytes.subarray(start, end)
    yield end % 2 === 0 ? part : new Uint8ArrayList(part)
    start = end
  }
}

const joined = (parts: Uint8Array[]): Uint8Array => Uint8Array.from(Buffer.concat(parts))

async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const out: T[] = []
  for await (const one of source) out.push(one)
  return out
}

const coded = (code: string) => (error: unknown) =>
  error instanceof ProtocolError && error.code === code

const controlFrame: fc.Arbitrary<ControlFrame> = fc.oneof(
  fc.record({
    id: fc.integer({ min: 1 }),
    method: fc.string({ maxLength: 64 }),
    params: fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.integer(), fc.boolean())),
  }),
  fc.record({ event: fc.string({ maxLength: 64 }), params: fc.array(fc.string()) }),
)

test('control frames come out as they went in, however the bytes are split', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(controlFrame, { maxLength: 8 }),
      fc.array(fc.nat(10_000), { maxLength: 20 }),
      async (frames, cuts) => {
        const bytes = joined(frames.map(encodeControl))
        const decoded = await all(decodeControl(split(bytes, cuts)))
        // Through JSON: `-0` and prototype-less objects have no form of their own there.
        assert.deepEqual(decoded, JSON.parse(JSON.stringify(frames)))
      },
    ),
    runs,
  )
})

test('bulk frames come out as they went in, however the bytes are split', async () => {
  const frame = fc.record({
    type: fc.integer({ min: 0, max: 255 }),
    body: fc.uint8Array({ maxLength: 300 }),
  })
  await fc.assert(
    fc.asyncProperty(
      fc.array(frame, { maxLength: 8 }),
      fc.array(fc.nat(10_000), { maxLength: 20 }),
      async (frames, cuts) => {
        const bytes = joined(frames.map((one) => encodeBulk(one.type, one.body).subarray()))
        const decoded = await all(decodeBulk(512)(split(bytes, cuts)))
        assert.deepEqual(
          decoded.map((one) => ({ type: one.type, body: [...one.body] })),
          frames.map((one) => ({ type: one.type, body: [...one.body] })),
        )
      },
    ),
    runs,
  )
})

test('an end inside a frame is never a clean end', async () => {
  const bulk = encodeBulk(16, new Uint8Array(100)).subarray()
  const control = encodeControl({ id: 1, method: 'ping', params: {} })
  for (const cut of [1, 3, 4, 5, 50, bulk.byteLength - 1]) {
    await assert.rejects(
      all(decodeBulk(512)(split(bulk.subarray(0, cut), []))),
      coded('stream_closed'),
    )
  }
  // A control stream that ends after a length is not told apart: its end closes the connection either way.
  for (const cut of [2, 3, control.byteLength - 1]) {
    await assert.rejects(
      all(decodeControl(split(control.subarray(0, cut), []))),
      coded('stream_closed'),
    )
  }
})

test('a length above the maximum is refused before its bytes are awaited', async () => {
  const bulk = new Uint8Array([0xff, 0xff, 0xff, 0xff, 16])
  await assert.rejects(all(decodeBulk(512)(split(bulk, []))), coded('frame_too_large'))
  const control = new Uint8Array([0xff, 0xff, 0xff, 0x7f, 0x7b])
  await assert.rejects(all(decodeControl(split(control, []))), coded('frame_too_large'))
  const endless = new Uint8Array(16).fill(0xff)
  await assert.rejects(all(decodeControl(split(endless, []))), coded('frame_malformed'))
})

test('a bulk frame without a type is malformed', async () => {
  await assert.rejects(all(decodeBulk(512)(split(new Uint8Array(4), []))), coded('frame_malformed'))
})

test('a control frame that is not canonical JSON of the schema is malformed', async () => {
  const bodies = [
    'nonsense',
    '{"id": 1,"method":"ping","params":{}}',
    '{"method":"ping","id":1,"params":{}}',
    '{"id":0,"method":"ping","params":{}}',
    '{"id":1,"id":1,"method":"ping","params":{}}',
    '{"extra":1,"id":1,"method":"ping","params":{}}',
    '['.repeat(60_000),
  ]
  for (const body of bodies) {
    const bytes = new TextEncoder().encode(body)
    const length = bytes.byteLength
    const prefix =
      length < 128 ? [length] : [(length & 127) | 128, ((length >> 7) & 127) | 128, length >> 14]
    const frame = joined([Uint8Array.from(prefix), bytes])
    await assert.rejects(
      all(decodeControl(split(frame, []))),
      coded('frame_malformed'),
      body.slice(0, 40),
    )
  }
  const notText = new Uint8Array([2, 0xc3, 0x28])
  await assert.rejects(all(decodeControl(split(notText, []))), coded('frame_malformed'))
})

test('a message above the control maximum is refused where it is written', () => {
  const params = 'x'.repeat(streamLimits.controlFrameBytes)
  assert.throws(() => encodeControl({ event: 'beat', params }), coded('too_large'))
})
