import { test } from 'node:test'
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import * as fc from 'fast-check'
import { Level } from 'level'
import { z } from 'zod'
import { recordLimits } from '#protocol/limits.ts'
import { openRecords, type StoredRecord } from './records.ts'

async function temporary() {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'cami-records-'))
  return { dir, [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }) }
}

async function all(rows: AsyncIterable<StoredRecord>): Promise<StoredRecord[]> {
  const found: StoredRecord[] = []
  for await (const row of rows) found.push(row)
  return found
}

test('what was put is there after the store is opened again', async () => {
  await using place = await temporary()
  {
    await using records = await openRecords(place.dir)
    await records.put('account', 'ivanova', { name: 'Иванова', roles: ['radiologist'] })
    await records.put('account', 'petrov', { name: 'Петров', roles: [] })
    await records.del('account', 'petrov')
  }
  await using records = await openRecords(place.dir)
  assert.deepEqual(await records.get('account', 'ivanova'), {
    name: 'Иванова',
    roles: ['radiologist'],
  })
  assert.equal(await records.get('account', 'petrov'), undefined)
  assert.equal(await records.get('account', 'sidorov'), undefined)
})

test('a list has the records of one kind, in order, from after a key, up to a limit', async () => {
  await using place = await temporary()
  await using records = await openRecords(place.dir)
  for (const key of ['c', 'a', 'b', '']) await records.put('grant', key, { key })
  await records.put('grant-old', 'z', {})
  await records.put('grand', 'z', {})
  assert.deepEqual(
    (await all(records.list('grant', z.unknown()))).map(({ key }) => key),
    ['a', 'b', 'c'],
  )
  assert.deepEqual(await all(records.list('grant', z.unknown(), { after: 'a', limit: 1 })), [
    { key: 'b', value: { key: 'b' } },
  ])
})

test('a batch is written whole or not at all', async () => {
  await using place = await temporary()
  await using records = await openRecords(place.dir)
  await records.put('epoch', 'old', 1)
  await assert.rejects(
    records.write([
      { type: 'put', kind: 'epoch', key: 'new', value: 2 },
      { type: 'del', kind: 'epoch', key: 'old' },
      { type: 'put', kind: 'epoch', key: 'bad', value: () => 3 },
    ]),
    { code: 'bad_request' },
  )
  assert.deepEqual(await all(records.list('epoch', z.unknown())), [{ key: 'old', value: 1 }])
})

test('a flipped bit, a shortened value, and a value under another key are storage_corrupt', async () => {
  await using place = await temporary()
  const damage = async (change: (db: Level<string, Uint8Array>) => Promise<void>) => {
    {
      await using records = await openRecords(place.dir)
      await records.put('account', 'one', { enabled: true })
      await records.put('account', 'two', { enabled: false })
    }
    const db = new Level<string, Uint8Array>(place.dir, { valueEncoding: 'view' })
    await change(db)
    await db.close()
    await using records = await openRecords(place.dir)
    await assert.rejects(records.get('account', 'one'), { code: 'storage_corrupt' })
    await assert.rejects(all(records.list('account', z.unknown())), { code: 'storage_corrupt' })
  }
  await damage(async (db) => {
    const stored = Buffer.from((await db.get('account!one')) ?? [])
    stored[40] = (stored[40] ?? 0) ^ 1
    await db.put('account!one', stored)
  })
  await damage(async (db) => {
    await db.put('account!one', ((await db.get('account!one')) ?? Buffer.alloc(0)).subarray(0, 20))
  })
  await damage(async (db) => {
    await db.put('account!one', (await db.get('account!two')) ?? Buffer.alloc(0))
  })
})

test('a second program cannot open the same records', async () => {
  await using place = await temporary()
  await using records = await openRecords(place.dir)
  assert.ok(records)
  await assert.rejects(openRecords(place.dir), { code: 'storage_failed' })
})

test('kinds and keys that would reach into another kind are refused', async () => {
  await using place = await temporary()
  await using records = await openRecords(place.dir)
  for (const kind of ['', 'Grant', 'grant!x', 'grant"']) {
    await assert.rejects(records.put(kind, 'key', 1), { code: 'bad_request' })
  }
  await assert.rejects(records.put('grant', 'k'.repeat(513), 1), { code: 'bad_request' })
  await assert.rejects(records.put('grant', 'k', 'v'.repeat(recordLimits.valueBytes)), {
    code: 'too_large',
  })
})

test('the store behaves as a map of maps, whatever is done to it', async () => {
  await using place = await temporary()
  await using records = await openRecords(place.dir)
  const kind = fc.constantFrom('one', 'two', 'two-b')
  const key = fc.string({ minLength: 1, maxLength: 4, unit: 'grapheme' })
  const step = fc.record({ kind, key, value: fc.option(fc.jsonValue()) })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      const model = new Map<string, unknown>()
      for (const name of ['one', 'two', 'two-b']) {
        for (const row of await all(records.list(name, z.unknown())))
          await records.del(name, row.key)
      }
      for (const { kind, key, value } of steps) {
        if (value === null) {
          await records.del(kind, key)
          model.delete(`${kind}!${key}`)
        } else {
          await records.put(kind, key, value)
          model.set(`${kind}!${key}`, JSON.parse(JSON.stringify(value)))
        }
      }
      for (const name of ['one', 'two', 'two-b']) {
        const rows = await all(records.list(name, z.unknown()))
        assert.deepEqual(
          new Map(rows.map((row) => [row.key, row.value])),
          new Map(
            [...model]
              .filter(([place]) => place.startsWith(`${name}!`))
              .map(([place, value]) => [place.slice(name.length + 1), value]),
          ),
        )
      }
    }),
    { seed: 7, numRuns: 30 },
  )
})
