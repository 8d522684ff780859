import { test } from 'node:test'
import assert from 'node:assert/strict'
import { rm, statfs, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { codeOf } from '#protocol/errors.ts'
import { mountSmall } from '../archive/full-disk.fixture.ts'
import { openRecords, type Records } from './records.ts'

const value = 'x'.repeat(30_011)

/** Writes some beside each other and gives the keys of those that were acknowledged. */
async function putAll(records: Records, keys: readonly string[]): Promise<string[]> {
  const answers = keys.map(async (key) => {
    try {
      await records.put('account', key, value)
      return [key]
    } catch (error) {
      assert.equal(codeOf(error), 'storage_failed')
      return []
    }
  })
  return (await Promise.all(answers)).flat()
}

test('a record that is acknowledged once a full disk has space again is there after a restart', async (context) => {
  await using disk = await mountSmall(32)
  if (disk === undefined) return context.skip('may not mount a file system')
  const folder = path.join(disk.path, 'records')
  const fill = path.join(disk.path, 'fill')
  const acknowledged: string[] = []
  {
    await using records = await openRecords(folder)
    for (let round = 0; round < 3; round++) {
      const keys = Array.from({ length: 5 }, (_, index) => `a${round}-${index}`)
      const put = putAll(records, keys)
      // Whoever goes through the rows may write meanwhile, also while the disk mends.
      for await (const { key } of records.list('account', z.unknown())) {
        await records.put('session', key, '')
      }
      assert.deepEqual(await put, keys, 'there is space')
      acknowledged.push(...keys)
      const { bavail, bsize } = await statfs(disk.path)
      await writeFile(fill, Buffer.alloc(bavail * bsize - 20_000 - round * 4096))
      const late = Array.from({ length: 10 }, (_, index) => `b${round}-${index}`)
      const taken = await putAll(records, late)
      assert.ok(taken.length < late.length, 'the disk is full')
      acknowledged.push(...taken)
      assert.equal(await records.get('account', keys[0] ?? ''), value, 'reading goes on')
      await rm(fill)
    }
    acknowledged.push(...(await putAll(records, ['last'])))
  }
  assert.ok(acknowledged.includes('last'))
  await using records = await openRecords(folder)
  const lost: string[] = []
  for (const key of acknowledged) {
    if ((await records.get('account', key)) !== value) lost.push(key)
  }
  assert.deepEqual(lost, [])
})
