import { test } from 'node:test'
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { Level } from 'level'
import { openLevelStore } from './level-store.ts'
import { storeConformance } from './store.conformance.ts'

async function place() {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'cami-store-'))
  return {
    dir,
    open: () => openLevelStore(dir),
    async [Symbol.asyncDispose]() {
      await rm(dir, { recursive: true })
    },
  }
}

storeConformance('level', place)

test('a value that changed on disk, or that stands under another key, is never returned', async () => {
  await using fixture = await place()
  {
    await using store = await fixture.open()
    await store.write([
      { put: 'a/1', value: 'active' },
      { put: 'a/2', value: 'revoked' },
    ])
  }
  const raw = new Level<string, Uint8Array>(fixture.dir, { valueEncoding: 'view' })
  const [one, two] = [await raw.get('a/1'), await raw.get('a/2')]
  assert.ok(one !== undefined && two !== undefined)
  const flipped = Uint8Array.from(two)
  flipped[flipped.length - 1] = (flipped.at(-1) ?? 0) ^ 1
  await raw.batch([
    { type: 'put', key: 'a/2', value: one },
    { type: 'put', key: 'a/3', value: flipped },
  ])
  await raw.close()
  await using store = await fixture.open()
  assert.equal(await store.get('a/1'), 'active')
  await assert.rejects(store.get('a/2'), { code: 'storage_corrupt' })
  await assert.rejects(store.get('a/3'), { code: 'storage_corrupt' })
  await assert.rejects(store.list('a/', { limit: 10 }), { code: 'storage_corrupt' })
})
