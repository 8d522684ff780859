import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { closeSync, constants, openSync, writeSync } from 'node:fs'
import { mkdir, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { dataSet, temporaryFolder } from '../archive/archive.fixture.ts'
import { openFolder } from './folder.ts'
import { importMedium } from './import.ts'
import { createMediaWorld, fileOf, writeTree } from './media.fixture.ts'
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

test('what a disc does not give is reported, and costs nothing else of it', async () => {
  await using world = await createMediaWorld()
  const disc = path.join(world.mountDir, 'disc')
  const slice = (sop: string) => fileOf(dataSet({ study: '1.2.1', series: '1.2.2', sop }), sop)
  await writeTree(disc, {
    DICOMDIR: slice('1.2.3.9'),
    'a/1': slice('1.2.3.1'),
    'a/2': slice('1.2.3.2'),
    'a/3': slice('1.2.3.3'),
    'b/4': slice('1.2.3.4'),
    'c/5': slice('1.2.3.5'),
  })
  await using medium = await openFolder(disc)
  const files = new Map<string, string>()
  // A folder can be opened as a file can, and not be read.
  const spoil = async (name: string) => {
    await rm(path.join(disc, name), { recursive: true })
    if (name !== 'b') await mkdir(path.join(disc, name))
  }
  await importMedium(
    {
      ...medium,
      async *entries(signal) {
        for await (const entry of medium.entries(signal)) {
          yield entry
          if (entry.kind === 'file' && entry.file.path === 'a/1') await spoil('b')
        }
        for (const name of ['DICOMDIR', 'a/2']) await spoil(name)
        await rm(path.join(disc, 'a/3'))
      },
    },
    {
      archive: world.archive,
      name: 'disc',
      signal: new AbortController().signal,
      onListed: () => undefined,
      onFile: ({ path: name, outcome, reason }) => {
        files.set(name, reason === undefined ? outcome : `${outcome} ${reason}`)
      },
    },
  )
  assert.deepEqual(Object.fromEntries(files), {
    DICOMDIR: 'refused unreadable',
    'a/1': 'stored',
    'a/2': 'refused unreadable',
    'a/3': 'refused unreadable',
    b: 'refused unreadable',
    'c/5': 'stored',
  })
})
