import { test } from 'node:test'
import assert from 'node:assert/strict'
import {
  createDecoderPool,
  DecodeError,
  type WorkerAnswer,
  type WorkerJob,
} from './decoder-pool.ts'
import type { DecodeJob } from './decode.ts'

/** Workers that only remember; the test answers for them. */
function setUp(size: number) {
  const workers: ReturnType<typeof worker>[] = []
  function worker() {
    let answer: ((event: { data: WorkerAnswer }) => void) | undefined
    let fail: (() => void) | undefined
    const jobs: WorkerJob[] = []
    const one = {
      jobs,
      isDead: false,
      answer: (data: WorkerAnswer) => answer?.({ data }),
      fail: () => fail?.(),
      postMessage: (job: WorkerJob) => void jobs.push(job),
      addEventListener(type: 'message' | 'error', run: (event: { data: WorkerAnswer }) => void) {
        if (type === 'message') answer = run
        else fail = run as () => void
      },
      terminate: () => (one.isDead = true),
    }
    return one
  }
  const pool = createDecoderPool(() => {
    const one = worker()
    workers.push(one)
    return one
  }, size)
  return { pool, workers }
}

const job: DecodeJob = {
  bytes: new Uint8Array(),
  transferSyntax: '1.2',
  format: {
    rows: 1,
    columns: 1,
    samples: 1,
    bitsAllocated: 8,
    bitsStored: 8,
    signed: false,
    planar: false,
    photometric: 'MONOCHROME2',
  },
}
const frame = { samples: Uint8Array.of(1), min: 1, max: 1 }

test('workers start as they are needed and share the work', () => {
  const { pool, workers } = setUp(2)
  void pool.decode(job)
  assert.equal(workers.length, 1)
  for (let index = 0; index < 3; index++) void pool.decode(job)
  assert.deepEqual(
    workers.map(({ jobs }) => jobs.length),
    [2, 2],
  )
})

test('a worker without work is used before a new one starts', async () => {
  const { pool, workers } = setUp(4)
  const first = pool.decode(job)
  const [worker] = workers
  worker?.answer({ id: worker.jobs[0]?.id ?? 0, frame })
  assert.deepEqual(await first, frame)
  void pool.decode(job)
  assert.equal(workers.length, 1)
})

test('an image that cannot be decoded is the image’s fault, a dead worker is not', async () => {
  const { pool, workers } = setUp(1)
  const bad = pool.decode(job)
  workers[0]?.answer({ id: workers[0].jobs[0]?.id ?? 0, failure: 'frame is cut' })
  await assert.rejects(bad, (error) => error instanceof DecodeError)

  const lost = pool.decode(job)
  workers[0]?.fail()
  await assert.rejects(lost, (error) => !(error instanceof DecodeError))
  assert.equal(workers[0]?.isDead, true)

  const next = pool.decode(job)
  assert.equal(workers.length, 2)
  workers[1]?.answer({ id: workers[1].jobs[0]?.id ?? 0, frame })
  assert.deepEqual(await next, frame)
})

test('leaving stops the workers and what they were doing', async () => {
  const { pool, workers } = setUp(1)
  const lost = pool.decode(job)
  pool[Symbol.dispose]()
  await assert.rejects(lost, /was left/)
  assert.equal(workers[0]?.isDead, true)
})
