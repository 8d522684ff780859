import { test } from 'node:test'
import assert from 'node:assert/strict'
import { httpLimits } from '#protocol/limits.ts'
import { createRecent } from './recent.ts'

test('what a page asks for again and again is one record in its time; what was not written is tried again', async () => {
  let now = 0
  const written: string[] = []
  const isRecent = createRecent(() => now, httpLimits.pollingMs)
  const ask = (session: string) => isRecent(session, async () => written.push(session))
  await assert.rejects(isRecent('a', () => Promise.reject(new Error('no disk'))))
  for (; now < httpLimits.pollingMs; now += 4000) await ask('a')
  await ask('b')
  assert.deepEqual(written, ['a', 'b'])
  now += httpLimits.pollingMs
  await ask('a')
  assert.deepEqual(written, ['a', 'b', 'a'])
  // Bounded: the oldest of too many is forgotten, and then written again.
  for (let i = 0; i <= httpLimits.openingsMax; i++)
    await isRecent(`many ${i}`, async () => undefined)
  await ask('a')
  assert.equal(written.length, 4)
})

test('a clock that is set back does not keep what happens from being written', async () => {
  let now = 400 * 24 * 3_600_000
  const written: number[] = []
  const isRecent = createRecent(() => now, httpLimits.openingMs)
  const ask = () => isRecent('a', async () => written.push(now))
  await ask()
  now = 0
  await ask()
  now += httpLimits.openingMs - 1
  await ask()
  assert.equal(written.length, 2)
})
