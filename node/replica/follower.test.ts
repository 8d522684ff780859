import { test } from 'node:test'
import assert from 'node:assert/strict'
import { Level } from 'level'
import * as fc from 'fast-check'
import type { IndexItem } from '#protocol/index-log.ts'
import { indexLimits } from '#protocol/limits.ts'
import { silentLog } from '../log.ts'
import { createFollower } from './follower.ts'
import type { Replica } from './replica.ts'
import { createFederation, createFolder, createLogWriter, record, uid } from './replica.fixture.ts'

const federation = await createFederation()
const { holder, stranger, grantee } = federation

/** A follower whose registry is the test: it sees what is asked, and answers when told. */
function createReader(replica: Replica) {
  const world = { asked: [] as Record<string, number>[], gaps: 0, visibility: 'all', keys: true }
  const follower = createFollower({
    replica,
    self: grantee.oid,
    keyOf: (oid, kid) =>
      world.keys
        ? [holder, stranger].find((party) => party.oid === oid && party.kid === kid)?.jwk
        : undefined,
    visibility: () => world.visibility,
    log: silentLog,
    onGap: () => {
      world.gaps += 1
    },
  })
  const connection = {
    request: ((_: string, params: { after: Record<string, number> }) => {
      world.asked.push(params.after)
      return Promise.resolve({})
    }) as never,
  }
  return {
    ...follower,
    world,
    follow: () => follower.follow(connection),
    async take(items: IndexItem[]) {
      follower.onItems(items)
      await follower.settled()
    },
    names: async () =>
      (await replica.search({ match: {}, limit: 100 }, () => true)).map(
        ({ record }) => record.study,
      ),
  }
}

test('entries become rows, removals take them away, repeats change nothing, the head survives a restart', async () => {
  await using folder = await createFolder()
  const log = createLogWriter(federation, holder)
  await log.add({ kind: 'study', record: record(1) })
  await log.add({ kind: 'study', record: record(2) })
  await log.add({ kind: 'study', record: record(1, { description: 'ОГК с контрастом' }) })
  await log.withheld()
  await log.add({ kind: 'study-removed', record: { study: uid(2) } })
  {
    await using replica = await folder.open()
    const reader = createReader(replica)
    await reader.follow()
    await reader.take(log.items.slice(0, 3))
    await reader.take(log.items)
    await reader.take(log.items)
    assert.deepEqual(await reader.names(), [uid(1)])
    const [found] = await replica.find(uid(1))
    assert.equal(found?.record.description, 'ОГК с контрастом')
    assert.equal(found.holder, holder.oid)
    assert.equal(reader.world.gaps, 0)
  }
  await using replica = await folder.open()
  const reader = createReader(replica)
  await reader.follow()
  assert.deepEqual(reader.world.asked, [{ [holder.oid]: 5 }])
  assert.deepEqual(await reader.names(), [uid(1)])
})

test('a gap is asked for again, and nothing after it is taken before', async () => {
  await using folder = await createFolder()
  await using replica = await folder.open()
  const log = createLogWriter(federation, holder)
  for (const number of [1, 2, 3]) await log.add({ kind: 'study', record: record(number) })
  const [one, two, three] = log.items
  assert.ok(one !== undefined && two !== undefined && three !== undefined)
  const reader = createReader(replica)
  await reader.follow()
  await reader.take([one, three])
  assert.equal(reader.world.gaps, 1)
  await reader.take([two, three])
  assert.equal(replica.state(holder.oid).seq, 1)
  await reader.follow()
  assert.deepEqual(reader.world.asked.at(-1), { [holder.oid]: 1 })
  await reader.take([two, three])
  assert.equal(replica.state(holder.oid).seq, 3)
})

test('forks, foreign entries, forged ones and false digests stop that log and no other', async () => {
  const honest = createLogWriter(federation, holder)
  await honest.add({ kind: 'study', record: record(1) })
  await honest.add({ kind: 'study', record: record(2) })
  const [one, two] = honest.items
  assert.ok(one !== undefined && two !== undefined && 'entry' in two)
  const other = createLogWriter(federation, stranger)
  const theirs = await other.add({ kind: 'study', record: record(9) })
  const forged = await stranger.signer.sign(
    'cami-index+jwt',
    federation.claims.indexEntry({ seq: 2 }),
  )
  const [head = '', body = ''] = two.entry.split('.')
  const wrong: IndexItem[][] = [
    [{ org: holder.oid, seq: 1, withheld: 'ab'.repeat(32) as never }, two],
    [one, { org: holder.oid, seq: 2, entry: forged }],
    [one, { org: holder.oid, seq: 2, entry: `${head}.${body}.${'A'.repeat(86)}` }],
    [one, { ...theirs, org: holder.oid, seq: 2 }],
  ]
  for (const items of wrong) {
    await using folder = await createFolder()
    await using replica = await folder.open()
    const reader = createReader(replica)
    await reader.follow()
    await reader.take(items)
    assert.equal(replica.state(holder.oid).seq, 1)
    assert.ok(!(await reader.names()).includes(uid(2)))
    await reader.take([two, theirs])
    assert.equal(replica.state(holder.oid).seq, 1)
    assert.ok((await reader.names()).includes(uid(9)))
  }
})

test('a false digest that was taken is not built on for ever: the log goes on from its last proven entry', async () => {
  await using folder = await createFolder()
  const log = createLogWriter(federation, holder)
  await log.add({ kind: 'study', record: record(1) })
  await log.withheld()
  await log.add({ kind: 'study', record: record(2) })
  const [one, two, three] = log.items
  assert.ok(one !== undefined && two !== undefined && three !== undefined)
  {
    await using replica = await folder.open()
    const reader = createReader(replica)
    await reader.follow()
    await reader.take([one, { ...two, withheld: 'ab'.repeat(32) as never }])
  }
  await using replica = await folder.open()
  const reader = createReader(replica)
  await reader.follow()
  assert.deepEqual(reader.world.asked.at(-1), { [holder.oid]: 2 })
  await reader.take([three])
  assert.ok(reader.isHalted())
  await reader.follow()
  assert.deepEqual(reader.world.asked.at(-1), { [holder.oid]: 1 })
  assert.deepEqual(await reader.names(), [uid(1)])
  await reader.take([two, three])
  assert.deepEqual((await reader.names()).sort(), [uid(1), uid(2)])
})

test('a log of which nothing was proven before a false digest is read from its beginning', async () => {
  await using folder = await createFolder()
  await using replica = await folder.open()
  const log = createLogWriter(federation, holder)
  const hidden = await log.withheld()
  const shown = await log.add({ kind: 'study', record: record(1) })
  const reader = createReader(replica)
  await reader.follow()
  await reader.take([{ ...hidden, withheld: 'ab'.repeat(32) as never }, shown])
  await reader.follow()
  assert.deepEqual(reader.world.asked.at(-1), {})
  await reader.take([hidden, shown])
  assert.deepEqual(await reader.names(), [uid(1)])
})

test('a log with an unknown key waits for a newer directory, and is then asked for again', async () => {
  await using folder = await createFolder()
  await using replica = await folder.open()
  const log = createLogWriter(federation, holder)
  await log.add({ kind: 'study', record: record(1) })
  const reader = createReader(replica)
  reader.world.keys = false
  await reader.follow()
  await reader.take(log.items)
  assert.ok(reader.isHalted())
  reader.world.keys = true
  await reader.follow()
  await reader.take(log.items)
  assert.deepEqual(await reader.names(), [uid(1)])
})

test('when the grants change, the log is read anew from its beginning', async () => {
  await using folder = await createFolder()
  await using replica = await folder.open()
  const log = createLogWriter(federation, holder)
  await log.add({ kind: 'study', record: record(1) })
  const reader = createReader(replica)
  await reader.follow()
  await reader.take(log.items)
  reader.world.visibility = ''
  await reader.follow()
  assert.deepEqual(reader.world.asked.at(-1), {})
  assert.deepEqual(await reader.names(), [])
})

test('what came under earlier grants is read anew, also when it waited while they changed', async () => {
  await using folder = await createFolder()
  await using replica = await folder.open()
  const log = createLogWriter(federation, holder)
  const item = await log.withheld()
  const reader = createReader(replica)
  reader.world.visibility = ''
  await reader.follow()
  reader.onItems([item])
  reader.world.visibility = 'all'
  await reader.settled()
  await reader.follow()
  assert.deepEqual(reader.world.asked.at(-1), {})
})

test('items that come while nobody listens, or more than can wait, are dropped and asked for again', async () => {
  await using folder = await createFolder()
  await using replica = await folder.open()
  const log = createLogWriter(federation, holder)
  const item = await log.add({ kind: 'study', record: record(1) })
  const reader = createReader(replica)
  await reader.take([item])
  assert.equal(replica.state(holder.oid).seq, 0)
  await reader.follow()
  for (let i = 0; i < indexLimits.followQueueMax + 3; i++) reader.onItems([item])
  assert.equal(reader.world.gaps, 1)
  await reader.settled()
  assert.equal(replica.state(holder.oid).seq, 1)
})

test('damaged rows are noticed, and the next asking begins from nothing', async () => {
  await using folder = await createFolder()
  const log = createLogWriter(federation, holder)
  await log.add({ kind: 'study', record: record(1) })
  {
    await using replica = await folder.open()
    const reader = createReader(replica)
    await reader.follow()
    await reader.take(log.items)
  }
  {
    const db = new Level<string, Uint8Array>(folder.dir, { valueEncoding: 'view' })
    for await (const [key, value] of db.iterator({ gt: 'row!' })) {
      const flipped = Uint8Array.from(value)
      flipped[flipped.length - 2] = (flipped.at(-2) ?? 0) ^ 1
      await db.put(key, flipped)
    }
    await db.close()
  }
  await using replica = await folder.open()
  const reader = createReader(replica)
  assert.deepEqual(await reader.names(), [])
  await reader.follow()
  assert.deepEqual(reader.world.asked, [{}])
  await reader.take(log.items)
  assert.deepEqual(await reader.names(), [uid(1)])
})

test('however items are cut, repeated and lost, the rows are those of a prefix of the log', async () => {
  const log = createLogWriter(federation, holder)
  const states: string[][] = [[]]
  const model = new Set<string>()
  for (let i = 0; i < 12; i++) {
    const number = i % 5
    if (i % 4 === 3) {
      await log.add({ kind: 'study-removed', record: { study: uid(number) } })
      model.delete(uid(number))
    } else {
      await log.add({ kind: 'study', record: record(number) })
      model.add(uid(number))
    }
    states.push([...model].sort())
  }
  const step = fc.record({
    from: fc.nat(11),
    count: fc.integer({ min: 1, max: 6 }),
    ask: fc.boolean(),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 10 }), async (steps) => {
      await using folder = await createFolder()
      await using replica = await folder.open()
      const reader = createReader(replica)
      await reader.follow()
      for (const { from, count, ask } of steps) {
        if (ask) await reader.follow()
        await reader.take(log.items.slice(from, from + count))
        const { seq } = replica.state(holder.oid)
        assert.deepEqual((await reader.names()).sort(), states[seq])
      }
    }),
    { numRuns: 25, seed: 11 },
  )
})
