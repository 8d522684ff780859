import { signal } from '@preact/signals'
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { runCine } from './cine.ts'

/** A reader that counts its frames, and a screen that draws when the test says so. */
function setUp(frameRate: number) {
  let frames = 0
  let tick: ((now: number) => void) | undefined
  const reader = {
    isPlaying: signal(false),
    frameRate: signal(frameRate),
    advance: () => void (frames += 1),
  }
  const stop = runCine(reader, (run) => {
    tick = run
    return () => (tick = undefined)
  })
  return {
    reader,
    stop,
    isRunning: () => tick !== undefined,
    /** So many pictures of a 60 Hz screen. */
    draw: (pictures: number, from = 0) => {
      frames = 0
      for (let index = 0; index <= pictures; index++) tick?.(from + (index * 1000) / 60)
      return frames
    },
  }
}

test('frames come at their rate on a 60 Hz screen', () => {
  for (const rate of [7, 15, 24, 30, 60]) {
    const { reader, draw } = setUp(rate)
    reader.isPlaying.value = true
    const frames = draw(600)
    assert.ok(Math.abs(frames - rate * 10) <= 1, `${frames} frames at ${rate}`)
  }
})

test('after the screen stood still, frames do not race to catch up', () => {
  const { reader, draw } = setUp(30)
  reader.isPlaying.value = true
  draw(60)
  assert.ok(draw(60, 20_000) <= 31)
})

test('it runs only while the reader plays', () => {
  const { reader, isRunning, stop } = setUp(10)
  assert.equal(isRunning(), false)
  reader.isPlaying.value = true
  assert.equal(isRunning(), true)
  reader.isPlaying.value = false
  assert.equal(isRunning(), false)
  reader.isPlaying.value = true
  stop()
  assert.equal(isRunning(), false)
})
