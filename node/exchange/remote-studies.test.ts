import { test } from 'node:test'
import assert from 'node:assert/strict'
import { codeOf } from '#protocol/errors.ts'
import type { ErrorCode } from '#protocol/errors.ts'
import { digestOf } from './digests.ts'
import {
  collect,
  createFixtureStudy,
  instanceOf,
  startGrantee,
  startHolder,
  studyUid,
  until,
} from './exchange.fixture.ts'

const KiB = 1024
const coded = (code: ErrorCode) => (error: unknown) => {
  assert.equal(codeOf(error), code, String(error))
  return true
}

test('a study comes over whole: every instance has the digest of what the holder has', async () => {
  const study = createFixtureStudy([
    ...Array.from({ length: 12 }, (_, i) => instanceOf(i + 1, 500 * KiB + i)),
    instanceOf(1, 5000 * KiB, 2),
    instanceOf(2, 1, 2),
    instanceOf(3, 256 * KiB, 2),
  ])
  await using holder = await startHolder({ study })
  await using grantee = await startGrantee(holder)
  await using reader = await grantee.open()
  assert.equal((await reader.instances()).length, 15)
  for (const one of study.instances) {
    assert.equal(digestOf(await collect(reader.read(one.sop))), digestOf(one.bytes), one.sop)
  }
  await until('all is here', () => grantee.remote.progress(studyUid)?.state === 'complete')
  assert.deepEqual(grantee.remote.progress(studyUid)?.instances, { done: 15, total: 15 })
})

test('a user whom the holder refuses gets nothing', async () => {
  await using holder = await startHolder({ study: createFixtureStudy([instanceOf(1, 10)]) })
  holder.gate.refused.add('anna')
  await using grantee = await startGrantee(holder)
  await assert.rejects(grantee.open('anna'), coded('forbidden'))
  await using reader = await grantee.open('boris')
  assert.equal((await reader.instances()).length, 1)
})
