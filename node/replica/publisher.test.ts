import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import type { IndexEntry, IndexHead } from '#protocol/index-log.ts'
import { emptyHead, indexEntryKind, verifyIndexEntry } from '#protocol/index-log.ts'
import { ProtocolError } from '#protocol/errors.ts'
import { decodeToken, tokenDigest } from '#protocol/jws.ts'
import { silentLog } from '../log.ts'
import { openPublisher } from './publisher.ts'
import {
  createFederation,
  createFolder,
  createRecords,
  record,
  uid,
  until,
} from './replica.fixture.ts'
import type { Replica } from './replica.ts'

const federation = await createFederation()
const { holder } = federation

const start = (
  replica: Replica,
  records: ReturnType<typeof createRecords>,
  entryIntervalMs = 50,
  clock = Date.now,
) =>
  openPublisher({
    archive: records.archive,
    rows: replica.rows,
    signer: holder.signer,
    self: holder.oid,
    keyOf: (kid) => (kid === holder.kid ? holder.jwk : undefined),
    clock,
    log: silentLog,
    entryIntervalMs,
  })

/** A registry that keeps what it is given, and breaks when told. */
function createRegistry() {
  const taken: string[] = []
  const world = { head: undefined as IndexHead | undefined, failures: 0, requests: 0 }
  const request = async (
    method: string,
    params: { entries: string[]; after: number },
  ): Promise<unknown> => {
    world.requests += 1
    if (method === 'index.own') return { entries: taken.slice(params.after, params.after + 3) }
    if (method === 'index.head') {
      const last = taken.at(-1)
      return (
        world.head ??
        (last === undefined ? emptyHead : { seq: taken.length, digest: await tokenDigest(last) })
      )
    }
    if (world.failures > 0) {
      world.failures -= 1
      throw new ProtocolError('stream_closed', 'the link broke')
    }
    taken.push(...params.entries)
    return { seq: taken.length }
  }
  return { taken, world, connection: { request: request as never } }
}

async function entriesOf(tokens: readonly string[]): Promise<IndexEntry[]> {
  let head = emptyHead
  const entries: IndexEntry[] = []
  for (const token of tokens) {
    const keyOf = (kid: string) => (kid === holder.kid ? holder.jwk : undefined)
    const accepted = await verifyIndexEntry(token, { org: holder.oid, head, keyOf })
    head = accepted.head
    entries.push(accepted.entry)
  }
  return entries
}

describe('the index of a node', () => {
  test('is one chain of entries, each in the value log before the registry gets it', async () => {
    await using folder = await createFolder()
    await using replica = await folder.open()
    const records = createRecords()
    await using publisher = await start(replica, records)
    const registry = createRegistry()
    const pushing = publisher.push(registry.connection)
    records.put(record(1))
    records.put(record(2))
    await until(() => registry.taken.length === 2, 'both entries come')
    const logged = records.appended.map((bytes) => Buffer.from(bytes).toString('utf8'))
    assert.deepEqual(registry.taken, logged)
    const entries = await entriesOf(registry.taken)
    assert.deepEqual(
      entries.map((entry) => entry.record.study),
      [uid(1), uid(2)],
    )
    assert.deepEqual(publisher.head(), { seq: 2, digest: await tokenDigest(logged[1] ?? '') })
    await publisher[Symbol.asyncDispose]()
    await pushing
  })

  test('has few entries of a study that grows, one when it is complete, and none that says nothing new', async () => {
    await using folder = await createFolder()
    await using replica = await folder.open()
    const records = createRecords()
    await using publisher = await start(replica, records, 300)
    const began = Date.now()
    for (let count = 1; count <= 20; count++) {
      records.put(record(1, { instances: count, state: 'open' }))
      await publisher.settled()
    }
    assert.ok(Date.now() - began < 300)
    assert.equal(publisher.head().seq, 1)
    await until(() => publisher.head().seq === 2, 'the interval passes')
    records.complete(record(1, { instances: 20, state: 'complete' }))
    await until(() => publisher.head().seq === 3, 'completion')
    records.complete(record(1, { instances: 20, state: 'complete' }))
    await publisher.settled()
    const entries = await entriesOf(records.appended.map((bytes) => Buffer.from(bytes).toString()))
    assert.deepEqual(
      entries.map(
        (entry) => entry.kind === 'study' && [entry.record.instances, entry.record.state],
      ),
      [
        [1, 'open'],
        [20, 'open'],
        [20, 'complete'],
      ],
    )
  })

  test('goes on when the clock is set right again after it was years ahead', async () => {
    await using folder = await createFolder()
    await using replica = await folder.open()
    const records = createRecords()
    const time = { now: Date.now() + 10 * 365 * 24 * 3_600_000 }
    await using publisher = await start(replica, records, 50, () => time.now)
    records.put(record(1, { instances: 1, state: 'open' }))
    await publisher.settled()
    assert.equal(publisher.head().seq, 1)
    time.now = Date.now()
    records.put(record(1, { instances: 2, state: 'open' }))
    await publisher.settled()
    assert.equal(publisher.head().seq, 2)
  })

  test('says when a study is gone, and says nothing of one that was never published', async () => {
    await using folder = await createFolder()
    await using replica = await folder.open()
    const records = createRecords()
    await using publisher = await start(replica, records)
    records.put(record(1))
    await until(() => publisher.head().seq === 1, 'the study')
    records.remove(uid(2))
    records.remove(uid(1))
    await until(() => publisher.head().seq === 2, 'the removal')
    const last = decodeToken(Buffer.from(records.appended[1] ?? []).toString(), indexEntryKind)
    assert.deepEqual([last.claims.kind, last.claims.record.study], ['study-removed', uid(1)])
  })

  test('describes a study of very many series by as many as fit', async () => {
    await using folder = await createFolder()
    await using replica = await folder.open()
    const records = createRecords()
    await using publisher = await start(replica, records)
    const [series] = record(1).series
    assert.ok(series)
    const many = Array.from({ length: 500 }, () => ({ ...series, description: 'ж'.repeat(200) }))
    records.put(record(1, { series: many, instances: 1500 }))
    await until(() => publisher.head().seq === 1, 'an entry')
    const { claims } = decodeToken(
      Buffer.from(records.appended[0] ?? []).toString(),
      indexEntryKind,
    )
    assert.ok(claims.kind === 'study' && claims.record.series.length > 10)
    assert.equal(claims.record.instances, 1500)
  })
})

describe('after a restart', () => {
  test('the chain goes on where it was, changes made meanwhile are published, nothing twice', async () => {
    await using folder = await createFolder()
    const records = createRecords()
    const registry = createRegistry()
    {
      await using replica = await folder.open()
      await using publisher = await start(replica, records)
      records.put(record(1))
      await until(() => publisher.head().seq === 1, 'the first')
    }
    records.put(record(2))
    await using replica = await folder.open()
    await using publisher = await start(replica, records)
    void publisher.push(registry.connection)
    await until(() => registry.taken.length === 2, 'both')
    await publisher.settled()
    assert.equal((await entriesOf(registry.taken)).length, 2)
  })

  test('a lost replica is made again from the value log; an entry whose writing failed is not sent', async () => {
    const records = createRecords()
    {
      await using folder = await createFolder()
      await using replica = await folder.open()
      await using publisher = await start(replica, records)
      records.put(record(1))
      await until(() => publisher.head().seq === 1, 'the first')
      records.put(record(2))
      await until(() => publisher.head().seq === 2, 'the second')
    }
    // The second one's writing is taken to have been reported as failed: another entry stands in its place.
    const [one = '', two = ''] = records.appended.map((bytes) => Buffer.from(bytes).toString())
    const instead = await holder.signer.sign('cami-index+jwt', {
      ...decodeToken(two, indexEntryKind).claims,
      iat: 1_700_000_000,
    })
    records.appended.push(Buffer.from(instead))
    await using folder = await createFolder()
    await using replica = await folder.open()
    await using publisher = await start(replica, records)
    assert.deepEqual(publisher.head(), { seq: 2, digest: await tokenDigest(instead) })
    const registry = createRegistry()
    void publisher.push(registry.connection)
    await until(() => registry.taken.length >= 2, 'the log')
    assert.deepEqual(registry.taken.slice(0, 2), [one, instead])
  })

  test('a lost replica does not let a study stay listed that is gone meanwhile', async () => {
    const records = createRecords()
    {
      await using folder = await createFolder()
      await using replica = await folder.open()
      await using publisher = await start(replica, records)
      for (const number of [1, 2, 3]) records.put(record(number))
      await until(() => publisher.head().seq === 3, 'the studies')
      records.remove(uid(3))
      await until(() => publisher.head().seq === 4, 'a removal')
    }
    records.remove(uid(1))
    await using folder = await createFolder()
    await using replica = await folder.open()
    await using publisher = await start(replica, records)
    await publisher.settled()
    const entries = await entriesOf(records.appended.map((bytes) => Buffer.from(bytes).toString()))
    const last = new Map(entries.map(({ kind, record: { study } }) => [study, kind]))
    assert.deepEqual(
      [...last],
      [
        [uid(1), 'study-removed'],
        [uid(2), 'study'],
        [uid(3), 'study-removed'],
      ],
    )
  })

  test('a full disk stops entries, not the node; they come when there is room', async (context) => {
    context.mock.timers.enable({ apis: ['setTimeout'] })
    await using folder = await createFolder()
    await using replica = await folder.open()
    const records = createRecords()
    await using publisher = await start(replica, records)
    records.disk.isFull = true
    records.put(record(1))
    await publisher.settled()
    assert.equal(publisher.head().seq, 0)
    records.disk.isFull = false
    records.put(record(2))
    await publisher.settled()
    assert.equal(publisher.head().seq, 1)
  })
})

describe('the push', () => {
  test('repeats after a broken link from where the registry stands', async () => {
    await using folder = await createFolder()
    await using replica = await folder.open()
    const records = createRecords()
    await using publisher = await start(replica, records)
    for (let number = 1; number <= 150; number++) records.put(record(number))
    await until(() => publisher.head().seq === 150, 'all entries')
    const registry = createRegistry()
    registry.world.failures = 1
    await publisher.push(registry.connection)
    assert.equal(registry.taken.length, 0)
    void publisher.push(registry.connection)
    await until(() => registry.taken.length === 150, 'the log')
    assert.equal((await entriesOf(registry.taken)).length, 150)
  })

  test('goes on over the same link after a registry that was late or had no room', async (context) => {
    context.mock.timers.enable({ apis: ['setTimeout'] })
    await using folder = await createFolder()
    await using replica = await folder.open()
    const records = createRecords()
    await using publisher = await start(replica, records)
    records.complete(record(1))
    await publisher.settled()
    for (const code of ['timeout', 'unavailable', 'rate_limited', 'storage_full'] as const) {
      const registry = createRegistry()
      const request = registry.connection.request as (...asked: unknown[]) => Promise<unknown>
      let refusals = 1
      const refusing = ((method: string, params: unknown) => {
        if (method !== 'index.push' || refusals-- <= 0) return request(method, params)
        return Promise.reject(new ProtocolError(code, 'not now'))
      }) as never
      void publisher.push({ request: refusing })
      for (let turn = 0; turn < 2000 && registry.taken.length === 0; turn++) {
        await new Promise((resolve) => {
          setImmediate(resolve)
        })
        context.mock.timers.tick(1000)
      }
      assert.equal(registry.taken.length, 1, code)
    }
  })

  test('takes back what an older copy of the data does not know, and goes on after it', async () => {
    const registry = createRegistry()
    const records = createRecords()
    {
      await using folder = await createFolder()
      await using replica = await folder.open()
      await using publisher = await start(replica, records)
      for (let number = 1; number <= 12; number++) {
        records.put(record(number))
        await until(() => publisher.head().seq === number, 'an entry')
      }
      void publisher.push(registry.connection)
      await until(() => registry.taken.length === 12, 'the log')
    }
    const published = [...registry.taken]
    // The copy was made after five, and two studies came before the registry was there again.
    const restored = createRecords()
    for (let number = 1; number <= 5; number++) restored.put(record(number))
    restored.appended.push(...records.appended.slice(0, 5))
    await using folder = await createFolder()
    await using replica = await folder.open()
    await using publisher = await start(replica, restored)
    for (const number of [20, 21]) restored.put(record(number))
    await until(() => publisher.head().seq === 12, 'their numbers are taken already')
    void publisher.push(registry.connection)
    await until(() => registry.taken.length === 12 + 7 + 7, 'new, and gone')
    assert.deepEqual(registry.taken.slice(0, 12), published)
    const entries = await entriesOf(registry.taken)
    const last = new Map(entries.map(({ kind, record: { study } }) => [study, kind]))
    for (const number of [1, 5, 20, 21]) assert.equal(last.get(uid(number)), 'study')
    for (const number of [6, 12]) assert.equal(last.get(uid(number)), 'study-removed')
    await publisher[Symbol.asyncDispose]()
    await replica[Symbol.asyncDispose]()
    await using again = await folder.open()
    await using after = await start(again, restored)
    assert.equal(after.head().seq, registry.taken.length)
  })

  test('gives no number away for a registry that proves nothing', async () => {
    await using folder = await createFolder()
    await using replica = await folder.open()
    const records = createRecords()
    await using publisher = await start(replica, records)
    for (const number of [1, 2, 3]) records.put(record(number))
    await until(() => publisher.head().seq === 3, 'three entries')
    const registry = createRegistry()
    void publisher.push(registry.connection)
    await until(() => registry.taken.length === 3, 'the log')
    const head = publisher.head()
    registry.world.head = { seq: 2, digest: 'ab'.repeat(32) as never }
    await publisher.push(registry.connection)
    assert.deepEqual(publisher.head(), head)
    assert.equal(registry.taken.length, 3)
  })

  test('stops when the registry has what is not ours, or more than we have', async () => {
    await using folder = await createFolder()
    await using replica = await folder.open()
    const records = createRecords()
    await using publisher = await start(replica, records)
    records.put(record(1))
    await until(() => publisher.head().seq === 1, 'an entry')
    for (const seq of [1, 2]) {
      const registry = createRegistry()
      registry.world.head = { seq, digest: 'ab'.repeat(32) as never }
      await publisher.push(registry.connection)
      assert.equal(registry.taken.length, 0)
      assert.equal(publisher.head().seq, 1)
    }
  })
})
