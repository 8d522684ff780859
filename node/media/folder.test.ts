import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { closeSync, constants, openSync, writeSync } from 'node:fs'
import { rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { temporaryFolder } from '../archive/archive.fixture.ts'
import { openFolder } from './folder.ts'
import { writeTree } from './media.fixture.ts'
import type { MediaFile } from './medium.ts'

test('a disc that does not answer leaves the rest of the node its threads', async () => {
  await using folder = await temporaryFolder()
  const names = Array.from({ length: 8 }, (_, index) => `IMAGE${index}`)
  await writeTree(folder.path, Object.fromEntries(names.map((name) => [name, Buffer.alloc(8)])))
  await using medium = await openFolder(folder.path)
  const { signal } = new AbortController()
  const files: MediaFile[] = []
  for await (const entry of medium.entries(signal)) {
    if (entry.kind === 'file') files.push(entry.file)
  }
  assert.equal(files.length, names.length)
  // Opening a pipe that nobody writes to waits in the system, as reading a scratched place of a disc does.
  const places = names.map((name) => path.join(folder.path, name))
  await Promise.all(places.map((place) => rm(place)))
  execFileSync('mkfifo', places)
  const reading = files.map(async (file) => {
    for await (const part of file.read(signal)) return part.byteLength
    return 0
  })
  await sleep(100)
  const elsewhere = await Promise.race([stat('/'), sleep(2000, undefined, { ref: false })])
  const pipes = places.map((place) => openSync(place, constants.O_RDWR))
  for (const pipe of pipes) writeSync(pipe, 'image')
  assert.deepEqual(
    await Promise.all(reading),
    names.map(() => 5),
  )
  for (const pipe of pipes) closeSync(pipe)
  assert.notEqual(elsewhere, undefined, 'nothing else could be read meanwhile')
})
