import { test } from 'node:test'
import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { abortReason, pduType } from './pdu.ts'
import { createPduGuard, PduError, type PduEvent } from './pdu-guard.ts'
import { dataUnit, fragment, requestPdu, storeMessage, unit } from './units.fixture.ts'

const anything = () => 1 << 20

function feedAll(
  chunks: readonly Buffer[],
  allowed = anything as (type: number) => number | undefined,
) {
  const guard = createPduGuard(allowed)
  const events = chunks.flatMap((chunk) => [...guard.feed(chunk)])
  return { events, guard }
}

/** Fragments of a message put together, units as they are: what must not depend on how the bytes arrive. */
function meaning(events: readonly PduEvent[]): string[] {
  const texts: string[] = []
  let data = ''
  for (const event of events) {
    if (event.kind === 'pdu') texts.push(`${event.type}:${event.bytes.toString('hex')}`)
    else {
      data += event.data.toString('hex')
      if (!event.last) continue
      texts.push(`${event.context}${event.command ? 'c' : 'd'}:${data}`)
      data = ''
    }
  }
  return texts
}

const stream = Buffer.concat([
  requestPdu(),
  storeMessage(1, '1.2.3', Buffer.from('A'), Buffer.from('BB'), Buffer.alloc(0)),
  dataUnit(fragment(1, 0, Buffer.from('one')), fragment(1, 2, Buffer.from('two'))),
  unit(pduType.releaseRequest, Buffer.alloc(4)),
])

test('the events do not depend on how the bytes were cut on the way', () => {
  const whole = meaning(feedAll([stream]).events)
  assert.equal(whole.length, 5)
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: stream.length }), { maxLength: 40 }), (cuts) => {
      const at = [0, ...cuts.sort((a, b) => a - b), stream.length]
      const chunks = at.slice(1).map((end, index) => stream.subarray(at[index], end))
      assert.deepEqual(meaning(feedAll(chunks).events), whole)
    }),
    { seed: 1, numRuns: 300 },
  )
  const bytewise = feedAll([...stream].map((byte) => Buffer.from([byte])))
  assert.deepEqual(meaning(bytewise.events), whole)
  assert.equal(bytewise.guard.isInside, false)
})

test('data is handed on without a copy', () => {
  const piece = Buffer.from('data set')
  const bytes = dataUnit(fragment(1, 2, piece))
  const [event] = feedAll([bytes]).events
  assert.ok(event?.kind === 'fragment')
  assert.equal(event.data.buffer, bytes.buffer)
})

test('a unit is refused from its header, before any of it is kept', () => {
  const header = unit(pduType.data, Buffer.alloc(0), 0xff_ff_ff_ff)
  assert.throws(() => feedAll([header]), refusedFor(abortReason.invalidParameter))
})

test('a type that may not come now is refused, and so is one that does not exist', () => {
  const onlyRequests = (type: number) => (type === pduType.associateRequest ? 64 : undefined)
  assert.throws(
    () => feedAll([unit(pduType.data, Buffer.alloc(6))], onlyRequests),
    refusedFor(abortReason.unexpectedPdu),
  )
  assert.throws(
    () => feedAll([Buffer.from('GET / HTTP/1.1\r\n')]),
    refusedFor(abortReason.unrecognizedPdu),
  )
  // The first byte of a TLS record of type handshake is 22.
  assert.throws(
    () => feedAll([Buffer.from([22, 3, 1, 2, 0, 1])]),
    refusedFor(abortReason.unrecognizedPdu),
  )
})

for (const [what, body] of [
  ['of length 0', Buffer.from([0, 0, 0, 0, 1, 0])],
  ['of length 1', Buffer.from([0, 0, 0, 1, 1, 0])],
  ['longer than its unit', Buffer.from([0, 0, 0, 9, 1, 0, 65])],
  ['of 4 GiB', Buffer.from([255, 255, 255, 255, 1, 0])],
  ['with half a header', Buffer.from([0, 0, 0, 3, 1, 0, 65, 0, 0])],
] as const) {
  test(`a fragment ${what} is refused`, () => {
    assert.throws(
      () => feedAll([unit(pduType.data, body)]),
      refusedFor(abortReason.invalidParameter),
    )
  })
}

test('a P-DATA-TF without a fragment is refused', () => {
  assert.throws(
    () => feedAll([unit(pduType.data, Buffer.alloc(0))]),
    refusedFor(abortReason.invalidParameter),
  )
})

const refusedFor = (reason: number) => (error: unknown) =>
  error instanceof PduError && error.reason === reason
