import { test } from 'node:test'
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { ProtocolError } from '#protocol/errors.ts'
import { temporaryFolder } from '../archive/archive.fixture.ts'
import { silentLog } from '../log.ts'
import { openJobQueue } from '../store/job-queue.ts'
import { openRecords, type Records } from '../store/records.ts'
import { createJobRunner } from './job-runner.ts'
import { until } from './units.fixture.ts'

const Work = z.strictObject({ lane: z.string() })
type Run = (work: z.infer<typeof Work>) => Promise<void>

/** A queue with its runner; every attempt that fails is repeated after `delayMs`. */
async function openRunner(
  delayMs: number,
  clock: () => number,
  run: Run,
  around: (records: Records) => Records = (records) => records,
) {
  const stack = new AsyncDisposableStack()
  const folder = stack.use(await temporaryFolder())
  const records = around(stack.use(await openRecords(folder.path)))
  const common = { clock, random: randomBytes, log: silentLog }
  const limits = { delayMs, delayMsMax: delayMs }
  const queue = await openJobQueue({ ...common, records, kind: 'test', work: Work, limits })
  const laneOf = ({ lane }: { lane: string }) => lane
  const deps = { ...common, queue, laneOf, lanesMax: 2, restMs: 100 }
  stack.use(createJobRunner({ ...deps, run: async ({ work }) => run(work) }))
  return { queue, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

test('an attempt is repeated although its time comes while the queue is being looked at', async () => {
  // Each reading of this clock is a millisecond later, so that every order of readings comes up.
  for (const delayMs of [20, 21, 22, 23, 24]) {
    let now = 0
    let attempts = 0
    const failOnce: Run = async () => {
      if (attempts++ === 0) throw new Error('once')
    }
    await using opened = await openRunner(delayMs, () => now++, failOnce)
    await opened.queue.add({ lane: 'a' })
    await until(() => attempts === 2, 5000)
  }
})

test('one lane that is busy for long does not keep another from its next attempt', async () => {
  const busy = Promise.withResolvers<void>()
  let attempts = 0
  const run: Run = async ({ lane }) => {
    if (lane === 'slow') return busy.promise
    if (attempts++ === 0) throw new Error('once')
  }
  await using opened = await openRunner(50, Date.now, run)
  await opened.queue.add({ lane: 'slow' })
  await opened.queue.add({ lane: 'slow' })
  await opened.queue.add({ lane: 'quick' })
  await until(() => attempts === 2, 5000).finally(busy.resolve)
})

test('work whose end cannot be written down is not done again and again without a pause', async () => {
  let isFull = false
  let attempts = 0
  const run: Run = async () => {
    if (attempts++ === 0) isFull = true
  }
  await using opened = await openRunner(50, Date.now, run, (records) => ({
    ...records,
    async write(changes) {
      if (isFull) throw new ProtocolError('storage_failed', 'the disk is full')
      await records.write(changes)
    },
    async put(kind, key, value) {
      if (isFull) throw new ProtocolError('storage_failed', 'the disk is full')
      await records.put(kind, key, value)
    },
  }))
  const { id } = await opened.queue.add({ lane: 'a' })
  await sleep(500)
  assert.ok(attempts <= 10, `${attempts} attempts in half a second`)
  isFull = false
  await until(() => opened.queue.get(id)?.state === 'done', 5000)
})

test('dead peers that are owed much do not hold up one that is owed little', async () => {
  let isDone = false
  let dead = 0
  const run: Run = async ({ lane }) => {
    if (lane === 'alive') return void (isDone = true)
    dead++
    await sleep(20)
    throw new Error('nobody is there')
  }
  await using opened = await openRunner(60_000, Date.now, run)
  const adding = ['dead', 'gone'].flatMap((lane) => Array.from({ length: 50 }, () => ({ lane })))
  for (const work of adding) await opened.queue.add(work)
  await opened.queue.add({ lane: 'alive' })
  const before = dead
  await until(() => isDone, 5000)
  assert.ok(dead - before <= 6, `${dead - before} attempts came first`)
})
