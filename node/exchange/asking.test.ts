import { test } from 'node:test'
import assert from 'node:assert/strict'
import { codeOf } from '#protocol/errors.ts'
import { exchangeLimits, streamLimits } from '#protocol/limits.ts'
import type { Handlers } from '#protocol/transport/transport.ts'
import {
  collect,
  createFixtureStudy,
  instanceOf,
  startGrantee,
  startHolder,
  studyUid,
  until,
} from './exchange.fixture.ts'
import type { RemoteLimits } from './remote-studies.ts'

/** When the holder is asked whether what is here may still be read. */

const isForbidden = (error: unknown): boolean => codeOf(error) === 'forbidden'

/** All of the study is here, read by one user, and the holder counts how often it was asked. */
async function startReading(
  limits: Partial<RemoteLimits>,
  handlers: (own: Handlers) => Handlers = (own) => own,
) {
  await using stack = new AsyncDisposableStack()
  const study = createFixtureStudy([
    instanceOf(1, 1000),
    instanceOf(2, 4 * streamLimits.chunkBytes),
  ])
  const holder = stack.use(await startHolder({ study, handlers }))
  const grantee = stack.use(await startGrantee(holder, { limits }))
  const reader = stack.use(await grantee.open())
  await until('all is here', () => grantee.remote.progress(studyUid)?.state === 'complete')
  const before = holder.gate.admitted.length
  const owned = stack.move()
  return {
    holder,
    grantee,
    reader,
    sop: instanceOf(1, 1000).sop,
    asked: () => holder.gate.admitted.length - before,
    refuse: () => holder.gate.refused.add('anna'),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

test('an opening asks the holder anew, and its refusal closes what is here', async () => {
  await using it = await startReading({ sweepIntervalMs: 3_600_000 })
  const { grantee, reader, sop } = it
  grantee.clock.now += exchangeLimits.openingAskMs
  await using other = await grantee.open('anna', 'opening')
  assert.equal(it.asked(), 1)
  it.refuse()
  grantee.clock.now += exchangeLimits.openingAskMs
  await assert.rejects(grantee.open('anna', 'opening'), isForbidden)
  for (const one of [reader, other]) {
    await assert.rejects(collect(one.read(sop)), isForbidden)
    await assert.rejects(one.instances(), isForbidden)
  }
  it.holder.gate.refused.delete('anna')
  await using again = await grantee.open()
  assert.equal((await collect(again.read(sop))).byteLength, 1000)
})

test('an opening does not go by the answer to a question from before it', async () => {
  const way = { isFree: Promise.resolve() }
  await using it = await startReading({ sweepIntervalMs: 3_600_000 }, (own) => ({
    ...own,
    async 'manifest.get'(params, caller) {
      const answer = await own['manifest.get']?.(params, caller)
      await way.isFree
      if (answer === undefined) throw new Error('a holder answers')
      return answer
    },
  }))
  const { grantee } = it
  const slow = Promise.withResolvers<void>()
  way.isFree = slow.promise
  grantee.clock.now += exchangeLimits.openingAskMs
  const first = grantee.open('anna', 'opening')
  await until('the holder has admitted her', () => it.asked() === 1)
  it.refuse()
  grantee.clock.now += exchangeLimits.openingAskMs
  const second = grantee.open('anna', 'opening')
  slow.resolve()
  const [, opened] = await Promise.allSettled([first, second])
  assert.ok(opened.status === 'rejected' && isForbidden(opened.reason))
})

test('a refusal cuts off who is in the middle of a copy', async () => {
  await using it = await startReading({ sweepIntervalMs: 3_600_000 })
  const whole = it.reader.read(instanceOf(2, 4 * streamLimits.chunkBytes).sop)
  const reading = whole[Symbol.asyncIterator]()
  assert.equal((await reading.next()).done, false)
  it.refuse()
  it.grantee.clock.now += exchangeLimits.openingAskMs
  await assert.rejects(it.grantee.open('anna', 'opening'), isForbidden)
  await assert.rejects(reading.next(), isForbidden)
})

test('a page that shows a study has the holder asked every 30 s; reading on waits for no answer', async () => {
  await using it = await startReading({ sweepIntervalMs: 3_600_000 })
  const { grantee, reader, sop } = it
  grantee.clock.now += 29_000
  await (await grantee.open('anna', 'showing'))[Symbol.asyncDispose]()
  assert.equal(it.asked(), 0)
  grantee.clock.now += 1000
  await collect(reader.read(sop))
  assert.equal(it.asked(), 0)
  await (await grantee.open('anna', 'showing'))[Symbol.asyncDispose]()
  assert.equal(it.asked(), 1)
  it.refuse()
  grantee.clock.now += 30_000
  await assert.rejects(grantee.open('anna', 'showing'), isForbidden)
  await assert.rejects(collect(reader.read(sop)), isForbidden)
})

test('a reader is asked about every 30 s though nobody waits for it, an idle copy every 300 s', async () => {
  await using it = await startReading({ sweepIntervalMs: 10 })
  const { grantee, reader } = it
  grantee.clock.now += 31_000
  await until('the holder is asked about the reader', () => it.asked() === 1)
  await reader[Symbol.asyncDispose]()
  grantee.clock.now += 231_000
  await new Promise((resolve) => setTimeout(resolve, 100))
  assert.equal(it.asked(), 1)
  grantee.clock.now += 100_000
  await until('the holder is asked about the copy', () => it.asked() === 2)
  await using again = await grantee.open()
  it.refuse()
  grantee.clock.now += 31_000
  const isRefused = (): Promise<boolean> => again.instances().then(() => false, isForbidden)
  while (!(await isRefused())) await new Promise((resolve) => setTimeout(resolve, 5))
})

test('an answer from before the clock was set back is no answer', async () => {
  for (const use of ['opening', 'showing', undefined] as const) {
    await using it = await startReading({ sweepIntervalMs: 3_600_000 })
    it.grantee.clock.now -= 24 * 3_600_000
    it.refuse()
    await assert.rejects(it.grantee.open('anna', use), isForbidden)
    await assert.rejects(collect(it.reader.read(it.sop)), isForbidden)
  }
})
