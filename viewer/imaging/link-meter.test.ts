import { test } from 'node:test'
import assert from 'node:assert/strict'
import { createLinkMeter } from './link-meter.ts'

function setUp() {
  let now = 0
  const meter = createLinkMeter(() => now)
  return { meter, pass: (ms: number) => void (now += ms) }
}

test('nothing is known before the first frame', () => {
  const { meter } = setUp()
  meter.start()
  assert.equal(meter.bytesPerSecond(), undefined)
  assert.equal(meter.frameMs(), undefined)
})

test('rests between frames do not count', () => {
  const { meter, pass } = setUp()
  for (let frame = 0; frame < 3; frame++) {
    pass(60_000)
    meter.start()
    pass(2000)
    meter.add(500_000)
  }
  assert.equal(meter.bytesPerSecond(), 250_000)
  assert.equal(meter.frameBytes(), 500_000)
  assert.equal(meter.frameMs(), 2000)
})

test('frames side by side add up to the speed of the link', () => {
  const { meter, pass } = setUp()
  meter.start()
  pass(1000)
  for (let frame = 0; frame < 4; frame++) meter.add(250_000)
  assert.equal(meter.bytesPerSecond(), 1_000_000)
})

test('only the last frames count, so that a link that changes is noticed', () => {
  const { meter, pass } = setUp()
  meter.start()
  for (let frame = 0; frame < 8; frame++) {
    pass(1)
    meter.add(1_000_000)
  }
  for (let frame = 0; frame < 8; frame++) {
    pass(4000)
    meter.add(1_000_000)
  }
  assert.equal(meter.bytesPerSecond(), 250_000)
})
