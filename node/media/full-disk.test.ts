import assert from 'node:assert/strict'
import { readdir, rm, statfs, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { dataSet, noise, temporaryFolder } from '../archive/archive.fixture.ts'
import { mountSmall } from '../archive/full-disk.fixture.ts'
import { silentLog } from '../log.ts'
import { createMediaWorld, fileOf, importer, zipOf } from './media.fixture.ts'
import { openMediaImports } from './media-imports.ts'

test('a disk that fills up during an upload is called full', async (t) => {
  await using disk = await mountSmall(1)
  if (disk === undefined) return t.skip('this process may not mount')
  await using archive = await createMediaWorld()
  await using imports = await openMediaImports({
    archive: archive.archive,
    dir: path.join(disk.path, 'uploads'),
    audit: () => Promise.resolve(),
    clock: () => 1_772_000_000_000,
    log: silentLog,
    freeSpace: { freeFractionMin: 0, freeBytesMin: 0 },
  })
  const body = (async function* () {
    for (let i = 0; i < 40; i++) yield Buffer.alloc(65_536, i)
  })()
  // How long it is was not said.
  await assert.rejects(imports.upload(importer, { name: 'disc.zip', body }), {
    code: 'storage_full',
  })
  assert.deepEqual(
    imports.list().map(({ state, code }) => [state, code]),
    [['failed', 'storage_full']],
  )
  assert.deepEqual(await readdir(path.join(disk.path, 'uploads')), [])
})

test('an upload leaves the space that must stay free, whatever else fills the disk meanwhile', async (t) => {
  await using disk = await mountSmall(8)
  if (disk === undefined) return t.skip('this process may not mount')
  const { path: root } = disk
  await using world = await createMediaWorld()
  await using imports = await openMediaImports({
    archive: world.archive,
    dir: path.join(root, 'uploads'),
    audit: () => Promise.resolve(),
    clock: () => 1_772_000_000_000,
    log: silentLog,
    freeSpace: { freeFractionMin: 0.5, freeBytesMin: 1 },
  })
  const free: number[] = []
  const pieces = async function* (count: number, before?: (i: number) => Promise<void>) {
    for (let i = 0; i < count; i++) {
      await before?.(i)
      yield Buffer.alloc(65_536, i)
      const { bavail, bsize } = await statfs(root)
      free.push(bavail * bsize)
    }
  }
  const isRefused = async (upload: Parameters<typeof imports.upload>[1]) => {
    await assert.rejects(imports.upload(importer, upload), { code: 'storage_full' })
    const [last] = imports.list()
    assert.deepEqual([last?.state, last?.code], ['failed', 'storage_full'])
    assert.deepEqual(await readdir(path.join(root, 'uploads')), [])
  }
  // How long it is was not said.
  await isRefused({ name: 'long.zip', body: pieces(60) })
  const body = pieces(16, async (i) => {
    if (i === 8) await writeFile(path.join(root, 'others'), Buffer.alloc(3_500_000))
  })
  await isRefused({ name: 'late.zip', bytes: 16 * 65_536, body })
  assert.ok(Math.min(...free) >= 4 * 1024 * 1024, `${Math.min(...free)}`)
})

test('a disk that fills up during an import ends it, and nothing that it took in is lost', async (t) => {
  await using disk = await mountSmall(20)
  if (disk === undefined) return t.skip('this process may not mount')
  const others = path.join(disk.path, 'others')
  await using elsewhere = await temporaryFolder()
  await using world = await createMediaWorld(disk.path)
  const pixels = (n: number) => noise(100_000, n)
  const names = Array.from({ length: 60 }, (_, n) => `1.2.1.1.${n + 1}`)
  const zip = await zipOf(
    elsewhere.path,
    names.map((sop, n) => ({
      name: sop,
      bytes: fileOf(dataSet({ study: '1.2.1', series: '1.2.1.1', sop, pixels: pixels(n) }), sop),
    })),
  )
  const body = async function* () {
    yield zip
    const { bavail, bsize } = await statfs(disk.path)
    await writeFile(others, Buffer.alloc(bavail * bsize - 3_000_000))
  }
  const { id } = await world.imports.upload(importer, { name: 'disc.zip', body: body() })
  const files = await world.finished(id)
  const [status] = world.imports.list()
  assert.deepEqual([status?.state, status?.code], ['failed', 'storage_full'])
  const stored = files.filter(({ outcome }) => outcome === 'stored')
  assert.equal(stored.length, files.length)
  assert.ok(stored.length > 0 && stored.length < names.length)
  assert.equal(world.audited[0]?.instances, stored.length)
  await rm(others)
  // What is safe in the log comes into the catalog as soon as there is room.
  const isThere = async () => (await world.archive.counts()).instances === stored.length
  for (let n = 0; n < 1000 && !(await isThere()); n++) await sleep(10)
  assert.ok(await isThere())
  const again = (await world.importZip(zip)).map(({ outcome }) => outcome)
  assert.equal(again.filter((outcome) => outcome === 'duplicate').length, stored.length)
  assert.equal(again.filter((outcome) => outcome === 'stored').length, names.length - stored.length)
})
