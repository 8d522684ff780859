import { test } from 'node:test'
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { z } from 'zod'
import { ProtocolError } from '#protocol/errors.ts'
import { openJobQueue } from './job-queue.ts'
import { openRecords, type Records } from './records.ts'

const Work = z.strictObject({ what: z.string() })
type Work = z.infer<typeof Work>

async function openQueue(limits: object = {}, isForgettable?: (work: Work) => boolean) {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'cami-jobs-'))
  const time = { now: 1_000_000 }
  let records: Records = await openRecords(dir)
  const open = async () =>
    openJobQueue({
      records,
      kind: 'test-job',
      work: Work,
      clock: () => time.now,
      random: randomBytes,
      limits,
      ...(isForgettable && { isForgettable }),
    })
  return {
    time,
    queue: await open(),
    async reopen() {
      await records[Symbol.asyncDispose]()
      records = await openRecords(dir)
      return open()
    },
    async [Symbol.asyncDispose]() {
      await records[Symbol.asyncDispose]()
      await rm(dir, { recursive: true, force: true })
    },
  }
}

const isError = (code: string) => (error: unknown) =>
  error instanceof ProtocolError && error.code === code

test('a job that fails waits twice as long each time, then has failed', async () => {
  await using opened = await openQueue({ delayMs: 10, delayMsMax: 35, attemptsMax: 4 })
  const { queue, time } = opened
  const { id } = await queue.add({ what: 'send' })
  const waits: number[] = []
  while (queue.get(id)?.state === 'waiting') {
    assert.equal(queue.ahead().due.length, 1)
    await queue.postpone(id, 'unavailable')
    waits.push((queue.get(id)?.dueAt ?? 0) - time.now)
    time.now += waits.at(-1) ?? 0
  }
  assert.deepEqual(waits, [10, 20, 35, 35])
  assert.equal(queue.get(id)?.state, 'failed')
  assert.deepEqual(queue.ahead().due, [])
  await queue.retry(id)
  assert.equal(queue.ahead().due[0]?.attempts, 0)
})

test('jobs and how often they were tried outlive a restart', async () => {
  await using opened = await openQueue()
  const { queue } = opened
  const { id } = await queue.add({ what: 'one' })
  opened.time.now++
  const { id: other } = await queue.add({ what: 'two' })
  await queue.postpone(id, 'timeout')
  await queue.update(id, () => ({ what: 'one, half done' }))
  await queue.succeed(other)
  const before = queue.list()
  const again = await opened.reopen()
  assert.deepEqual(again.list(), before)
  assert.equal(again.get(id)?.code, 'timeout')
  assert.equal(again.ahead().nextAt, before[0]?.dueAt)
})

test('a cancelled job is not done, one that is done is not cancelled', async () => {
  await using opened = await openQueue()
  const { queue } = opened
  const { id } = await queue.add({ what: 'one' })
  await queue.cancel(id)
  await queue.postpone(id, 'timeout')
  assert.deepEqual([queue.ahead().due.length, queue.get(id)?.state], [0, 'cancelled'])
  const { id: other } = await queue.add({ what: 'two' })
  await queue.succeed(other)
  await assert.rejects(queue.cancel(other), isError('conflict'))
  await assert.rejects(queue.retry(other), isError('conflict'))
  await assert.rejects(queue.retry('01J0000000000000000000000A'), isError('not_found'))
})

test('work that came while a job was done is not lost', async () => {
  await using opened = await openQueue()
  const { queue } = opened
  const { id } = await queue.add({ what: 'one' })
  await queue.update(id, () => ({ what: 'one and two' }), { isNew: true })
  await queue.succeed(id, ({ what }) => what === 'one')
  assert.equal(queue.get(id)?.state, 'waiting')
  await queue.succeed(id, ({ what }) => what === 'one and two')
  assert.equal(queue.get(id)?.state, 'done')
})

test('the queue is bounded, and so is what is kept of ended jobs', async () => {
  await using opened = await openQueue({ jobsMax: 2, endedKept: 1 })
  const { queue } = opened
  const first = await queue.add({ what: 'a' })
  opened.time.now++
  const second = await queue.add({ what: 'b' })
  await assert.rejects(queue.add({ what: 'c' }), isError('unavailable'))
  await queue.succeed(first.id)
  await queue.succeed(second.id)
  opened.time.now++
  const third = await queue.add({ what: 'd' })
  assert.deepEqual(
    queue.list().map(({ id }) => id),
    [second.id, third.id],
  )
})

test('failed jobs count as those that wait, and stay until somebody sees to them', async () => {
  await using opened = await openQueue({ jobsMax: 2, failedKept: 0, attemptsMax: 1 })
  const { queue } = opened
  for (const what of ['a', 'b']) {
    const { id } = await queue.add({ what })
    await queue.postpone(id, 'unavailable')
    opened.time.now++
  }
  await assert.rejects(queue.add({ what: 'c' }), isError('unavailable'))
  const again = await opened.reopen()
  const [first] = again.list()
  assert.deepEqual(
    again.list().map(({ state }) => state),
    ['failed', 'failed'],
  )
  await again.cancel(first?.id ?? '')
  await again.add({ what: 'c' })
})

test('of failed jobs that are of no use to anybody the oldest are forgotten', async () => {
  const isForgettable = ({ what }: Work) => what.startsWith('gone')
  const limits = { jobsMax: 2, failedKept: 1, attemptsMax: 1 }
  await using opened = await openQueue(limits, isForgettable)
  const { queue } = opened
  for (const what of ['gone 1', 'owed', 'gone 2', 'gone 3']) {
    const { id } = await queue.add({ what })
    await queue.postpone(id, 'unavailable')
    opened.time.now++
  }
  const left = (jobs: typeof queue) => jobs.list().map(({ work }) => work.what)
  assert.deepEqual(left(queue), ['owed', 'gone 3'])
  assert.deepEqual(left(await opened.reopen()), ['owed', 'gone 3'])
})

test('work for a peer that is off for three days is still done by itself, and tried every hour', async () => {
  await using opened = await openQueue()
  const { queue, time } = opened
  const { id } = await queue.add({ what: 'send' })
  const begin = time.now
  const hour = 3_600_000
  for (;;) {
    await queue.postpone(id, 'unavailable')
    const { state, dueAt = 0 } = queue.get(id) ?? {}
    if (state !== 'waiting') break
    assert.ok(dueAt - time.now <= hour)
    time.now = dueAt
  }
  const hours = (time.now - begin) / hour
  assert.ok(hours > 72 && hours < 7 * 24, `${hours} h`)
})
