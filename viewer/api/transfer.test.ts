import { test } from 'node:test'
import assert from 'node:assert/strict'
import { followTransfer, isComplete, type Transfer, transferFrom } from './transfer.ts'

const counts = { instances: { done: 1, total: 2 }, bytes: { done: 10, total: 20 } }

test('a transfer is read from what the node says, and nothing else is taken for one', () => {
  assert.deepEqual(transferFrom({ state: 'fetching', ...counts, extra: 1 }), {
    state: 'fetching',
    ...counts,
  })
  for (const value of [undefined, null, 'x', {}, { state: 1, ...counts }, { state: 'x' }]) {
    assert.equal(transferFrom(value), undefined)
  }
})

test('it is complete when every instance is here', () => {
  assert.equal(isComplete({ state: 'fetching', ...counts }), false)
  assert.equal(isComplete({ state: 'x', ...counts, instances: { done: 2, total: 2 } }), true)
  assert.equal(isComplete({ state: 'x', ...counts, instances: { done: 0, total: 0 } }), false)
  assert.equal(isComplete({ state: 'complete', ...counts }), true)
})

/** What a browser makes of a stream that the node refuses: it says so once and is closed. */
class RefusedEvents extends EventTarget {
  static readonly CLOSED = 2
  readonly readyState = 2
  close(): void {
    return undefined
  }
}

test('where events do not come through it asks, and asks no more once the copy is complete', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const events = new RefusedEvents()
  const answers = [
    { state: 'fetching', ...counts },
    { state: 'complete', ...counts },
  ]
  let asked = 0
  const known = Object.getOwnPropertyDescriptor(globalThis, 'EventSource')
  Object.defineProperty(globalThis, 'EventSource', {
    configurable: true,
    value: Object.assign(
      function source() {
        return events
      },
      { CLOSED: RefusedEvents.CLOSED },
    ),
  })
  t.after(() => Object.defineProperty(globalThis, 'EventSource', known ?? { value: undefined }))
  t.mock.method(globalThis, 'fetch', () => Promise.resolve(Response.json(answers[asked++] ?? {})))
  const settle = async () => {
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
  }

  const seen: Transfer[] = []
  followTransfer('1.2', (transfer) => seen.push(transfer), new AbortController().signal)
  events.dispatchEvent(new Event('error'))
  for (let turn = 0; turn < 4; turn++) {
    await settle()
    t.mock.timers.tick(5000)
  }
  assert.deepEqual(
    seen.map(({ state }) => state),
    ['fetching', 'complete'],
  )
  assert.equal(asked, 2)
})
