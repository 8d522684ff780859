import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
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
import { describe, fill, manySlice } from './fill.fixture.ts'
import { createFolderCopies } from './folder-copies.ts'

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

test('bytes that rot are taken from a backup', async () => {
  await using here = await temporaryFolder()
  await using there = await temporaryFolder()
  {
    await using archive = await open(here.path)
    await fill(archive)
  }
  await backUp(here.path, there.path, silentLog)
  const file = join(here.path, 'archive', 'log', '00000001.seg')
  const bytes = await readFile(file)
  const at = bytes.indexOf(dataSet(manySlice(2)))
  bytes[at + 77] = (bytes[at + 77] ?? 0) ^ 1
  await writeFile(file, bytes)
  await using archive = await open(here.path, { findCopy: createFolderCopies([there.path]) })
  assert.deepEqual(await fetch(archive, '1.2', '1.2.9.2'), dataSet(manySlice(2)))
  assert.deepEqual(await archive.scrub(), { repaired: 0, damaged: 0, rows: 0 })
})
