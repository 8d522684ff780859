import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import type { IndexEntry } from '#protocol/index-log.ts'
import type { StudyRecord } from '#protocol/study.ts'
import type { Replica } from './replica.ts'
import { createFederation, createFolder, record, uid } from './replica.fixture.ts'

const { holder, stranger } = await createFederation()
const entryOf = (one: StudyRecord): IndexEntry =>
  ({ kind: 'study', record: one }) as unknown as IndexEntry
const state = (seq: number) => ({ seq, digest: 'ab'.repeat(32) as never, visibility: '' })

async function fill(replica: Replica): Promise<void> {
  await replica.apply(
    holder.oid,
    [
      record(1, { date: '20261101', time: '0900' }),
      record(2, { date: '20261124', time: '101500.25' }),
      record(3, { date: '20261124', time: '101459' }),
      record(4, { date: '', time: '', modalities: ['DX'] }),
    ].map(entryOf),
    state(4),
  )
  const patient = { ...record(5).patient, name: 'Сидорова^Анна' }
  await replica.apply(
    stranger.oid,
    [record(5, { date: '20261125', patient }), record(2)].map(entryOf),
    state(2),
  )
}

const list = async (
  replica: Replica,
  match: Record<string, string[]> = {},
  limit = 100,
): Promise<string[]> =>
  (await replica.search({ match, limit }, () => true)).map((one) => one.record.study)

describe('lists of the region', () => {
  test('are newest first, undated last, and stop at the limit', async () => {
    await using folder = await createFolder()
    await using replica = await folder.open()
    await fill(replica)
    assert.deepEqual(await list(replica), [uid(5), uid(2), uid(2), uid(3), uid(1), uid(4)])
    assert.deepEqual(await list(replica, {}, 2), [uid(5), uid(2)])
  })

  test('match names as the archive does, dates by range, series keys by any series', async () => {
    await using folder = await createFolder()
    await using replica = await folder.open()
    await fill(replica)
    assert.deepEqual(await list(replica, { '00100010': ['СИДОРОВА*'] }), [uid(5)])
    assert.deepEqual(await list(replica, { '00080020': ['20261101-20261110'] }), [uid(1)])
    assert.deepEqual(await list(replica, { '00080061': ['DX'] }), [uid(4)])
    assert.equal((await list(replica, { '00080060': ['CT'] })).length, 6)
    assert.deepEqual(await list(replica, { '0020000E': ['1.2.643.5.3.1'] }), [uid(3)])
    assert.deepEqual(await list(replica, { '0020000D': [uid(3)] }), [uid(3)])
    assert.deepEqual(await list(replica, { '00080018': ['1.2.3'] }), [])
  })

  test('leave out what the reader may not see, before they count', async () => {
    await using folder = await createFolder()
    await using replica = await folder.open()
    await fill(replica)
    const seen = await replica.search({ match: {}, limit: 2 }, (one) => one.holder === holder.oid)
    assert.deepEqual(
      seen.map((one) => one.record.study),
      [uid(2), uid(3)],
    )
  })
})

test('two holders of one study are both found; forgetting one leaves the other', async () => {
  await using folder = await createFolder()
  await using replica = await folder.open()
  await fill(replica)
  const holders = async () => (await replica.find(uid(2))).map((one) => one.holder).sort()
  assert.deepEqual(await holders(), [holder.oid, stranger.oid].sort())
  await replica.reset(stranger.oid)
  assert.deepEqual(await holders(), [holder.oid])
  assert.equal(replica.state(stranger.oid).seq, 0)
  assert.equal(replica.state(holder.oid).seq, 4)
})

test('a study whose date is corrected is listed once, at its new place', async () => {
  await using folder = await createFolder()
  await using replica = await folder.open()
  const both = [record(1, { date: '20200101' }), record(1, { date: '20261125' })]
  await replica.apply(holder.oid, both.map(entryOf), state(2))
  await replica.apply(holder.oid, [entryOf(record(1, { date: '20210101' }))], state(3))
  const [one, ...more] = await replica.search({ match: {}, limit: 10 }, () => true)
  assert.equal(one?.record.date, '20210101')
  assert.equal(more.length, 0)
})

test('a second program cannot open the same replica', async () => {
  await using folder = await createFolder()
  await using replica = await folder.open()
  assert.ok(replica)
  await assert.rejects(folder.open(), { code: 'storage_failed' })
})
