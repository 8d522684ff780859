import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { Sha256 } from '#protocol/ids.ts'
import { silentLog } from '../log.ts'
import {
  dataSet,
  fetch,
  noise,
  openTestArchive,
  sendSlice,
  temporaryFolder,
} from './archive.fixture.ts'
import { backUp } from './backup.ts'
import { digestOfDataSet } from './chunk-digests.ts'
import { describe, fill, manySlice } from './fill.fixture.ts'
import { createFolderCopies } from './folder-copies.ts'
import { digestOf } from './payload.ts'

const segmentBytes = 20_000
const open = (root: string, options: Parameters<typeof openTestArchive>[1] = {}) =>
  openTestArchive(join(root, 'archive'), { segmentBytes, ...options })

test('a backup of a running archive starts elsewhere with everything that was there', async () => {
  await using here = await temporaryFolder()
  await using there = await temporaryFolder()
  await using archive = await open(here.path)
  await fill(archive)
  for (let i = 12; i < 60; i++) await sendSlice(archive, manySlice(i))
  const first = await backUp(here.path, there.path, silentLog)
  assert.ok(first.segments > 2 && first.damaged === 0)
  await sendSlice(archive, manySlice(61))
  const expected = await describe(archive)
  // Copied again: only what is new, while more is being written.
  const writing = sendSlice(archive, manySlice(62, { pixels: noise(400_000, 1) }))
  const second = await backUp(here.path, there.path, silentLog)
  assert.ok(second.known > 0 && second.segments < first.segments)
  await writing
  await using restored = await open(there.path)
  const { study, sop } = manySlice(61)
  assert.deepEqual(await fetch(restored, study, sop), dataSet(manySlice(61)))
  const counts = await restored.counts()
  assert.ok(counts.instances >= (expected['counts'] as { instances: number }).instances)
  for (let i = 0; i < 60; i++) {
    const one = manySlice(i)
    assert.deepEqual(await fetch(restored, one.study, one.sop), dataSet(one))
  }
  assert.deepEqual(await restored.scrub(), { repaired: 0, damaged: 0, rows: 0 })
})

test('a segment that is removed while it is backed up does not end the backup', async () => {
  await using here = await temporaryFolder()
  await using there = await temporaryFolder()
  await using archive = await open(here.path)
  await fill(archive)
  // It is listed, and gone when it is read.
  const gone = join(here.path, 'archive', 'log', '00000099.seg')
  await symlink(join(here.path, 'nowhere'), gone)
  const backing = backUp(here.path, there.path, silentLog)
  while (!existsSync(join(there.path, 'archive', 'log'))) await pause(1)
  await rm(gone)
  assert.ok((await backing).segments > 0)
  await using restored = await open(there.path)
  assert.deepEqual(await describe(restored), await describe(archive))
})

test('a backup of what is not there says so', async () => {
  await using here = await temporaryFolder()
  await using there = await temporaryFolder()
  await assert.rejects(backUp(here.path, there.path, silentLog), { code: 'ENOENT' })
})

/** Flips a bit in what an archive has of the second slice. */
async function rot(dataDir: string): Promise<void> {
  const file = join(dataDir, 'archive', 'log', '00000001.seg')
  const bytes = await readFile(file)
  const at = bytes.indexOf(dataSet(manySlice(2)))
  bytes[at + 77] = (bytes[at + 77] ?? 0) ^ 1
  await writeFile(file, bytes)
}

test('bytes that rot are taken from a backup, and from the next one where they have rotted too', async () => {
  await using here = await temporaryFolder()
  await using there = await temporaryFolder()
  await using rotten = await temporaryFolder()
  await using cut = await temporaryFolder()
  {
    await using archive = await open(here.path)
    await fill(archive)
  }
  for (const { path } of [there, rotten, cut]) await backUp(here.path, path, silentLog)
  for (const { path } of [here, rotten]) await rot(path)
  await truncate(join(cut.path, 'archive', 'log', '00000001.seg'), 4096)
  const findCopy = createFolderCopies([rotten, cut, there].map(({ path }) => path))
  await using archive = await open(here.path, { findCopy })
  assert.deepEqual(await fetch(archive, '1.2', '1.2.9.2'), dataSet(manySlice(2)))
  assert.deepEqual(await archive.scrub(), { repaired: 0, damaged: 0, rows: 0 })
})

test('of copies that are named by digest the first right one is given', async () => {
  const bytes = dataSet(manySlice(2))
  const location = { segment: 1, offset: 0, payload: 0, bytes: bytes.length, streamed: false }
  // Of an index entry, and of a data set.
  const digests = [digestOf(bytes), digestOfDataSet(bytes).toString('hex') as Sha256]
  for (const sha256 of digests) {
    await using here = await temporaryFolder()
    const folders: string[] = []
    for (const copy of [bytes.toReversed(), bytes.subarray(1), bytes, new Uint8Array(1)]) {
      const folder = join(here.path, `${folders.length}`)
      folders.push(folder)
      await mkdir(join(folder, sha256.slice(0, 2)), { recursive: true })
      await writeFile(join(folder, sha256.slice(0, 2), sha256), copy)
    }
    const wanted = { sha256, bytes: bytes.length, location }
    const found = await createFolderCopies(folders)(wanted)
    assert.deepEqual(found && (await buffer(found)), bytes)
    assert.equal(await createFolderCopies(folders.slice(0, 2))(wanted), undefined)
  }
})
