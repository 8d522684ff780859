import { test } from 'node:test'
import assert from 'node:assert/strict'
import { createStackLoader } from './stack-loader.ts'

/** A link that answers when the test says so, and a clock that stands still until it is moved. */
function setUp(count: number, isPermanent: (error: unknown) => boolean = () => false) {
  const asked: number[] = []
  const open = new Map<number, { resolve: (bytes: number) => void; reject: (e: Error) => void }>()
  const timers: { run: () => void; delayMs: number }[] = []
  let now = 0
  const loader = createStackLoader({
    count,
    load: (index, signal) => {
      asked.push(index)
      return new Promise((resolve, reject) => {
        open.set(index, { resolve, reject })
        signal.addEventListener('abort', () => reject(signal.reason))
      })
    },
    isPermanent,
    onChange: () => undefined,
    clock: () => now,
    later(run, delayMs) {
      const timer = { run, delayMs }
      timers.push(timer)
      return () => {
        if (timers.includes(timer)) timers.splice(timers.indexOf(timer), 1)
      }
    },
  })
  const settle = () => new Promise((resolve) => setImmediate(resolve))
  return {
    loader,
    asked,
    timers,
    arrive: async (index: number, bytes = 1000, tookMs = 1) => {
      now += tookMs
      open.get(index)?.resolve(bytes)
      await settle()
    },
    fail: async (index: number, reason = 'broken') => {
      open.get(index)?.reject(new Error(reason))
      await settle()
    },
    runTimers: async () => {
      for (const { run } of timers.splice(0)) run()
      await settle()
    },
  }
}

test('the slice that is looked at comes first and alone, then its neighbours', async () => {
  const { loader, asked, arrive } = setUp(9)
  loader.focus(4)
  assert.deepEqual(asked, [4])
  await arrive(4)
  assert.deepEqual(asked.slice(0, 4), [4, 5, 3, 6])
})

test('a jump is served at once, beside what is on the way', async () => {
  const { loader, asked, arrive } = setUp(100)
  loader.focus(50)
  await arrive(50, 500_000, 1000)
  assert.deepEqual(asked, [50, 51])
  loader.focus(10)
  assert.deepEqual(asked, [50, 51, 10])
  loader.focus(90)
  assert.deepEqual(asked, [50, 51, 10], 'but one jump at a time')
  await arrive(10, 500_000, 1000)
  assert.equal(asked[3], 90)
})

test('everything arrives once, and the progress says so', async () => {
  const { loader, asked, arrive } = setUp(5)
  loader.focus(0)
  for (let index = 0; index < asked.length; index++) await arrive(asked[index] ?? 0)
  assert.deepEqual(
    asked.toSorted((one, other) => one - other),
    [0, 1, 2, 3, 4],
  )
  assert.deepEqual(loader.progress, { loaded: 5, failed: 0, total: 5, bytes: 5000 })
})

test('a frame that fails is tried again with longer and longer pauses, then given up', async () => {
  const { loader, asked, timers, fail, runTimers } = setUp(1)
  loader.focus(0)
  const delays: number[] = []
  await runTimers()
  for (let attempt = 0; attempt < 4; attempt++) {
    await fail(0)
    if (timers[0] !== undefined) delays.push(timers[0].delayMs)
    await runTimers()
  }
  assert.deepEqual(delays, [400, 800, 1600])
  assert.equal(asked.length, 4)
  assert.equal(loader.states[0], 'failed')
  assert.equal(loader.failure(0)?.message, 'broken')
  assert.equal(loader.progress.failed, 1)
})

test('a failure that is for good is not repeated, and a passing retry leaves it alone', async () => {
  const isPermanent = (error: unknown) => error instanceof Error && error.message === 'forbidden'
  const { loader, asked, fail, arrive } = setUp(1, isPermanent)
  loader.focus(0)
  await fail(0, 'forbidden')
  assert.equal(loader.states[0], 'failed')
  loader.retry('passing')
  assert.equal(asked.length, 1)
  loader.retry()
  assert.equal(asked.length, 2)
  await arrive(0)
  assert.deepEqual([loader.progress.loaded, loader.progress.failed], [1, 0])
  assert.equal(loader.failure(0), undefined)
})

test('on a thin link the slice that is rested on gets all of it', async () => {
  const { loader, asked, arrive, runTimers } = setUp(100)
  loader.focus(50)
  await arrive(50, 500_000, 2000)
  assert.deepEqual(asked, [50, 51])
  loader.focus(20)
  await runTimers()
  assert.equal(loader.states[51], 'absent')
  assert.equal(loader.states[20], 'loading')
  await arrive(20, 500_000, 2000)
  assert.equal(loader.progress.loaded, 2)
  assert.equal(loader.progress.failed, 0)
})

test('on a wide link nothing is given up for another slice', async () => {
  const { loader, arrive, runTimers } = setUp(100)
  loader.focus(50)
  await arrive(50, 500_000, 100)
  loader.focus(20)
  await runTimers()
  assert.equal(loader.states[51], 'loading')
})

test('nothing starts while it is paused', async () => {
  const { loader, asked, arrive } = setUp(3)
  loader.pause(true)
  loader.focus(1)
  assert.deepEqual(asked, [])
  loader.pause(false)
  assert.deepEqual(asked, [1])
  loader.pause(true)
  await arrive(1)
  assert.deepEqual(asked, [1])
})

test('nothing happens after it is closed', async () => {
  const { loader, asked, timers, fail, arrive } = setUp(3)
  loader.focus(0)
  await fail(0)
  loader[Symbol.dispose]()
  assert.equal(timers.length, 0)
  await arrive(1)
  assert.ok(asked.length <= 2)
  assert.equal(loader.progress.loaded, 0)
})
