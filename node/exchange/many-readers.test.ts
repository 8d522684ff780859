import { test } from 'node:test'
import assert from 'node:assert/strict'
import { digestOf } from './digests.ts'
import {
  collect,
  createFixtureStudy,
  instanceOf,
  startGrantee,
  startHolder,
} from './exchange.fixture.ts'

const KiB = 1024

test('many readers at once are all served, with few background streams', async () => {
  const study = createFixtureStudy(
    Array.from({ length: 20 }, (_, i) => instanceOf(i + 1, 200 * KiB)),
  )
  const streams = { background: 0, most: 0 }
  await using holder = await startHolder({
    study,
    wrap: (stream) => {
      if (stream.open.priority !== 'background') return stream
      streams.background += 1
      streams.most = Math.max(streams.most, streams.background)
      stream.signal.addEventListener('abort', () => (streams.background -= 1))
      return stream
    },
  })
  await using grantee = await startGrantee(holder, { limits: { backgroundStreamsMax: 2 } })
  const names = Array.from({ length: 10 }, (_, i) => `u${i}`)
  await Promise.all(
    names.map(async (name) => {
      await using reader = await grantee.open(name)
      for (const one of study.instances) {
        assert.equal(digestOf(await collect(reader.read(one.sop))), digestOf(one.bytes))
      }
    }),
  )
  assert.ok(streams.most <= 2, `${streams.most} background streams`)
})
