import { test } from 'node:test'
import assert from 'node:assert/strict'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { SopUid, StudyUid } from '#protocol/ids.ts'
import { digestOf } from './digests.ts'
import {
  collect,
  createFixtureStudy,
  holderOid,
  instanceOf,
  startGrantee,
  startHolder,
  studyUid,
  until,
  coded,
  slices,
  firstOf,
} from './exchange.fixture.ts'
import type { Grantee } from './exchange.fixture.ts'

const KiB = 1024
const isComplete = (grantee: Grantee) => () =>
  grantee.remote.progress(studyUid)?.state === 'complete'

test('a study comes over whole: every instance has the digest of what the holder has', async () => {
  const study = createFixtureStudy([
    ...slices(12),
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
  await until('all is here', isComplete(grantee))
  const total = study.instances.reduce((sum, one) => sum + one.bytes.byteLength, 0)
  assert.deepEqual(grantee.remote.progress(studyUid), {
    state: 'complete',
    instances: { done: 15, total: 15 },
    bytes: { done: total, total, received: total },
  })
})

test('a reader learns series, instances and metadata before any pixel has come', async () => {
  const study = createFixtureStudy([...slices(3), instanceOf(1, 10, 2)])
  await using holder = await startHolder({
    study,
    wrap: (stream) => ({
      ...stream,
      data: async (want, offset, bytes) => {
        if (stream.open.priority === 'background') await new Promise(() => undefined)
        await stream.data(want, offset, bytes)
      },
    }),
  })
  await using grantee = await startGrantee(holder)
  await using reader = await grantee.open()
  const own = study.open()
  assert.deepEqual(await reader.series(), await own.series())
  assert.deepEqual(await reader.instances(), await own.instances())
  const sop = firstOf(study.instances).sop
  assert.deepEqual(await reader.instance(sop), await own.instance(sop))
  assert.equal(await reader.instance('9.9' as SopUid), undefined)
  assert.deepEqual(await reader.metadata({ sop }), await own.metadata({ sop }))
  assert.equal((await reader.metadata({})).length, 4)
  assert.equal(grantee.remote.progress(studyUid)?.instances.done, 0)
})

test('a read jumps the queue, and a range waits only for the chunks it needs', async () => {
  const large = instanceOf(99, 8000 * KiB, 2)
  const study = createFixtureStudy([...slices(4), large])
  await using holder = await startHolder({
    study,
    wrap: (stream) => ({
      ...stream,
      data: async (want, offset, bytes) => {
        if (stream.open.priority === 'background') await new Promise(() => undefined)
        await stream.data(want, offset, bytes)
      },
    }),
  })
  await using grantee = await startGrantee(holder)
  await using reader = await grantee.open()
  const range = { offset: 5_000_001, length: 300_000 }
  const bytes = await collect(reader.read(large.sop, range))
  assert.ok(Buffer.from(bytes).equals(large.bytes.subarray(5_000_001, 5_300_001)))
  const needed = study.reads.filter((one) => one.sop === large.sop)
  assert.ok(needed.every((one) => one.offset >= 4_900_000 && one.offset < 5_400_000))
  const last = study.instances[3]
  assert.ok(last)
  assert.equal(digestOf(await collect(reader.read(last.sop))), digestOf(last.bytes))
  assert.equal(grantee.remote.progress(studyUid)?.instances.done, 1)
  // What was brought out of order is not brought again.
  const before = holder.served.bytes
  assert.equal(digestOf(await collect(reader.read(large.sop))), digestOf(large.bytes))
  assert.ok(holder.served.bytes - before < large.bytes.byteLength)
})

test('a holder that is killed in the middle and comes back sends less than a chunk again', async () => {
  const study = createFixtureStudy([...slices(10), instanceOf(1, 5000 * KiB, 2)])
  const total = study.instances.reduce((sum, one) => sum + one.bytes.byteLength, 0)
  const first = await startHolder({
    study,
    wrap: (stream) => ({
      ...stream,
      data: async (want, offset, bytes) => {
        await stream.data(want, offset, bytes)
        await new Promise((resolve) => {
          setTimeout(resolve, 1)
        })
      },
    }),
  })
  await using grantee = await startGrantee(first)
  await using reader = await grantee.open()
  await until(
    'half is here',
    () => (grantee.remote.progress(studyUid)?.bytes.done ?? 0) > total / 2,
  )
  const states = new Set<string>()
  grantee.remote.onProgress(studyUid, ({ state }) => states.add(state))
  grantee.target.node = undefined
  await first[Symbol.asyncDispose]()
  await until('it is noticed', () => grantee.remote.progress(studyUid)?.state === 'interrupted')
  const kept = grantee.remote.progress(studyUid)?.bytes.done ?? 0
  await using second = await startHolder({ study, key: first.key })
  grantee.target.node = second
  for (const one of study.instances) {
    assert.equal(digestOf(await collect(reader.read(one.sop))), digestOf(one.bytes), one.sop)
  }
  await until('all is here', isComplete(grantee))
  const again = kept + second.served.bytes - total
  assert.ok(again < 256 * KiB, `${again} bytes were sent again`)
  const received = grantee.remote.progress(studyUid)?.bytes.received ?? 0
  assert.ok(received >= total && received - total < 256 * KiB, `${received} of ${total}`)
  await until(
    'the listener was told both',
    () => states.has('interrupted') && states.has('complete'),
  )
})

test('a grantee that is restarted goes on at the next chunk', async () => {
  const large = instanceOf(1, 6000 * KiB)
  const study = createFixtureStudy(
    [large, ...slices(3).map((one) => ({ ...one, series: large.series }))].slice(0, 1),
  )
  let sent = 0
  const stall = Promise.withResolvers<void>()
  await using holder = await startHolder({
    study,
    wrap: (stream) => ({
      ...stream,
      data: async (want, offset, bytes) => {
        if (sent > 3000 * KiB) await stall.promise
        sent += bytes.byteLength
        await stream.data(want, offset, bytes)
      },
    }),
  })
  await using before = await startGrantee(holder)
  const reader = await before.open()
  const isHalfway = (): boolean => (before.remote.progress(studyUid)?.bytes.done ?? 0) >= 3000 * KiB
  await until('half is here', isHalfway)
  await reader[Symbol.asyncDispose]()
  await before.remote[Symbol.asyncDispose]()
  stall.resolve()
  sent = -Infinity
  await using after = await startGrantee(holder, { dir: before.dir })
  await using again = await after.open()
  assert.equal(digestOf(await collect(again.read(large.sop))), digestOf(large.bytes))
  // Counted where it arrives: the holder may go on for a moment to one who has gone.
  const received = after.remote.progress(studyUid)?.bytes.received ?? 0
  const rest = large.bytes.byteLength - 3000 * KiB + 256 * KiB
  assert.ok(received > 0 && received <= rest, `${received} of ${rest}`)
})

test('a copy is read again with a few kilobytes from its holder, and not at all without it', async () => {
  const study = createFixtureStudy(slices(3))
  await using holder = await startHolder({ study })
  await using before = await startGrantee(holder)
  await before.open()
  await until('all is here', isComplete(before))
  await before.remote[Symbol.asyncDispose]()
  const served = holder.served.bytes
  await using after = await startGrantee(holder, { dir: before.dir })
  await using reader = await after.open()
  for (const one of study.instances) {
    assert.equal(digestOf(await collect(reader.read(one.sop))), digestOf(one.bytes))
  }
  assert.equal(holder.served.bytes, served)
  after.target.node = undefined
  await after.host.hangUp(holder.host.peerId)
  await using other = await after.open()
  assert.equal((await collect(other.read(firstOf(study.instances).sop))).byteLength, 500 * KiB)
  await assert.rejects(after.open('boris'), coded('holder_unreachable'))
  after.clock.now += 301_000
  await assert.rejects(after.open(), coded('holder_unreachable'))
  await assert.rejects(
    collect(reader.read(firstOf(study.instances).sop)),
    coded('holder_unreachable'),
  )
})

test('a copy that was damaged on disk is never returned; it is brought again', async () => {
  const study = createFixtureStudy([instanceOf(1, 700 * KiB)])
  await using holder = await startHolder({ study })
  await using before = await startGrantee(holder)
  await before.open()
  await until('all is here', isComplete(before))
  await before.remote[Symbol.asyncDispose]()
  const copies = path.join(before.dir, 'copies')
  const [folder] = await readdir(copies)
  const [name] = await readdir(path.join(copies, folder ?? ''))
  const file = path.join(copies, folder ?? '', name ?? '')
  const bytes = await readFile(file)
  bytes[600_000] = (bytes[600_000] ?? 0) ^ 1
  await writeFile(file, bytes)
  await using after = await startGrantee(holder, { dir: before.dir })
  await using reader = await after.open()
  const one = firstOf(study.instances)
  const range = { offset: 599_990, length: 20 }
  const part = await collect(reader.read(one.sop, range))
  assert.ok(Buffer.from(part).equals(one.bytes.subarray(599_990, 600_010)))
})

test('each user is admitted for herself, with an assertion of her own for each request', async () => {
  const study = createFixtureStudy(slices(3))
  await using holder = await startHolder({ study })
  await using grantee = await startGrantee(holder)
  await using first = await grantee.open('anna')
  await first.instances()
  await until('all is here', isComplete(grantee))
  holder.gate.refused.add('boris')
  await assert.rejects(grantee.open('boris'), coded('forbidden'))
  await using third = await grantee.open('clara')
  assert.equal((await collect(third.read(firstOf(study.instances).sop))).byteLength, 500 * KiB)
  const assertions = holder.gate.admitted.map((one) => one.assertion)
  assert.equal(new Set(assertions).size, assertions.length)
  const askedBy = new Set(assertions.map((one) => one.split(' ')[0]))
  assert.deepEqual([...askedBy], ['anna', 'clara'])
})

test('one user who is refused while streaming does not end the reading of another', async () => {
  const study = createFixtureStudy([instanceOf(1, 4000 * KiB)])
  await using holder = await startHolder({
    study,
    limits: { recheckIntervalMs: 30 },
    wrap: (stream) => ({
      ...stream,
      data: async (want, offset, bytes) => {
        const isAnna = stream.open.assertion.startsWith('anna')
        if (isAnna && offset >= 1000 * KiB) await new Promise(() => undefined)
        await stream.data(want, offset, bytes)
      },
    }),
  })
  await using grantee = await startGrantee(holder)
  await using anna = await grantee.open('anna')
  await using boris = await grantee.open('boris')
  const { sop, bytes } = firstOf(study.instances)
  const hers = collect(anna.read(sop))
  await until('some is here', () => (grantee.remote.progress(studyUid)?.bytes.done ?? 0) > 0)
  const his = collect(boris.read(sop))
  holder.gate.revoked.add('anna')
  await assert.rejects(hers, coded('forbidden'))
  assert.equal(digestOf(await his), digestOf(bytes))
  await assert.rejects(collect(anna.read(sop)), coded('forbidden'), 'not even what is here now')
})

test('a study is closed at once when its grant ends, also while somebody waits for bytes', async () => {
  const study = createFixtureStudy(slices(2))
  await using holder = await startHolder({
    study,
    wrap: (stream) => ({ ...stream, data: () => new Promise(() => undefined) }),
  })
  await using grantee = await startGrantee(holder)
  for (const id of [studyUid, holderOid]) {
    await using reader = await grantee.open()
    const waiting = collect(reader.read(firstOf(study.instances).sop))
    await until('it is asked for', () => study.reads.length > 0)
    grantee.remote.closeStudy(id)
    await assert.rejects(waiting, coded('forbidden'))
    await assert.rejects(reader.series(), coded('forbidden'))
  }
  grantee.remote.closeStudy('9.9' as StudyUid)
})

test('a study that grows is seen to grow when the holder is asked again', async () => {
  const study = createFixtureStudy(slices(2))
  await using holder = await startHolder({ study })
  await using grantee = await startGrantee(holder)
  await using reader = await grantee.open()
  assert.equal((await reader.instances()).length, 2)
  study.instances.push(instanceOf(3, 1000), instanceOf(1, 1000, 2))
  grantee.clock.now += 300_000
  assert.equal((await reader.instances()).length, 4)
  await until('all is here', isComplete(grantee))
  assert.equal(grantee.remote.progress(studyUid)?.instances.total, 4)
})

test('copies above the budget are removed, least recently used first', async () => {
  const study = createFixtureStudy(slices(6, 100 * KiB))
  await using holder = await startHolder({ study })
  await using grantee = await startGrantee(holder, { limits: { copiesBytes: 350 * KiB } })
  await using reader = await grantee.open()
  for (const one of study.instances) {
    assert.equal(digestOf(await collect(reader.read(one.sop))), digestOf(one.bytes))
  }
  const copies = path.join(grantee.dir, 'copies')
  const names = (await readdir(copies, { recursive: true })).filter((one) => one.includes('/'))
  assert.ok(names.length <= 3, `${names.length} copies`)
})
