import { test } from 'node:test'
import assert from 'node:assert/strict'
import { dimseLimits } from '#protocol/limits.ts'
import { createDeadlines } from './deadlines.ts'

function start() {
  let now = 1_000_000
  const deadlines = createDeadlines(dimseLimits, () => now)
  return { deadlines, pass: (ms: number) => void (now += ms) }
}

test('an association must come in time, however much is sent instead', () => {
  const { deadlines, pass } = start()
  pass(dimseLimits.associationTimeoutMs)
  deadlines.received(1000, true)
  assert.equal(deadlines.overdue(), undefined)
  pass(1)
  assert.equal(deadlines.overdue(), 'association')
})

test('silence between messages is borne for a while', () => {
  const { deadlines, pass } = start()
  deadlines.associated()
  deadlines.received(300, false)
  deadlines.received(100, false)
  assert.equal(deadlines.isProven, true)
  pass(dimseLimits.idleTimeoutMs)
  assert.equal(deadlines.overdue(), undefined)
  pass(1)
  assert.equal(deadlines.overdue(), 'idle')
})

test('an association on which nothing whole has come is borne for less', () => {
  const { deadlines, pass } = start()
  deadlines.associated()
  deadlines.received(300, false)
  assert.equal(deadlines.isProven, false)
  pass(dimseLimits.unprovenTimeoutMs)
  assert.equal(deadlines.overdue(), undefined)
  pass(1)
  assert.equal(deadlines.overdue(), 'idle')
})

test('much of something is as good as something whole', () => {
  const { deadlines } = start()
  deadlines.associated()
  deadlines.received(300, false)
  deadlines.received(dimseLimits.provenBytes - 1, true)
  assert.equal(deadlines.isProven, false)
  deadlines.received(1, true)
  assert.equal(deadlines.isProven, true)
})

test('a message that drips is ended after one window', () => {
  const { deadlines, pass } = start()
  deadlines.associated()
  deadlines.received(100, true)
  for (let second = 1; second < dimseLimits.rateWindowMs / 1000; second++) {
    pass(1000)
    deadlines.received(1000, true)
    assert.equal(deadlines.overdue(), undefined)
  }
  pass(1000)
  assert.equal(deadlines.overdue(), 'rate')
})

test('a slow but steady sender is not disturbed', () => {
  const { deadlines, pass } = start()
  deadlines.associated()
  for (let second = 0; second < 600; second++) {
    deadlines.received(1100, true)
    pass(1000)
    assert.equal(deadlines.overdue(), undefined)
  }
})

test('time in which the peer waits for us does not count', async () => {
  const { deadlines, pass } = start()
  deadlines.associated()
  deadlines.received(10, true)
  let finish = () => {}
  const work = deadlines.during(new Promise<void>((resolve) => (finish = resolve)))
  pass(10 * dimseLimits.idleTimeoutMs)
  assert.equal(deadlines.overdue(), undefined)
  finish()
  await work
  assert.equal(deadlines.overdue(), undefined)
  pass(dimseLimits.rateWindowMs)
  assert.equal(deadlines.overdue(), 'rate')
})
