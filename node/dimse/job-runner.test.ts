import { test } from 'node:test'
import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { temporaryFolder } from '../archive/archive.fixture.ts'
import { silentLog } from '../log.ts'
import { openJobQueue } from '../store/job-queue.ts'
import { openRecords } from '../store/records.ts'
import { createJobRunner } from './job-runner.ts'
import { until } from './units.fixture.ts'

const Work = z.strictObject({ lane: z.string() })
type Run = (work: z.infer<typeof Work>) => Promise<void>

/** A queue with its runner; every attempt that fails is repeated after `delayMs`. */
async function openRunner(delayMs: number, clock: () => number, run: Run) {
  const stack = new AsyncDisposableStack()
  const folder = stack.use(await temporaryFolder())
  const records = stack.use(await openRecords(folder.path))
  const common = { clock, random: randomBytes, log: silentLog }
  const limits = { delayMs, delayMsMax: delayMs }
  const queue = await openJobQueue({ ...common, records, kind: 'test', work: Work, limits })
  const laneOf = ({ lane }: { lane: string }) => lane
  const deps = { ...common, queue, laneOf, lanesMax: 2 }
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
