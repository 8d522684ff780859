import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  dataSet,
  declare,
  fetch,
  noise,
  openTestArchive,
  send,
  sendSlice,
  stranger,
  temporaryFolder,
} from './archive.fixture.ts'
import { describe, fill, manySlice } from './fill.fixture.ts'
import { injectFaults, lostByPowerCut } from './power.fixture.ts'
import { createRandom, createSimulatedDisk, withRoom } from './simulated-disk.fixture.ts'

test('a lost catalog is made again from the log, equal in everything', async () => {
  await using folder = await temporaryFolder()
  const archive = await openTestArchive(folder.path, { segmentBytes: 5000 })
  await fill(archive)
  const before = await describe(archive)
  await archive[Symbol.asyncDispose]()
  await rm(join(folder.path, 'catalog'), { recursive: true })
  await using again = await openTestArchive(folder.path, { segmentBytes: 5000 })
  assert.deepEqual(await describe(again), before)
  assert.equal((await sendSlice(again, manySlice(3))).outcome, 'duplicate')
})

test('a catalog that is behind the log takes what it misses', async () => {
  await using folder = await temporaryFolder()
  const archive = await openTestArchive(folder.path)
  await fill(archive, 4)
  await archive[Symbol.asyncDispose]()
  const catalog = join(folder.path, 'catalog')
  const old = await Promise.all(
    (await readdir(catalog)).map(
      async (name) => [name, await readFile(join(catalog, name))] as const,
    ),
  )
  const more = await openTestArchive(folder.path)
  await sendSlice(more, manySlice(50))
  const expected = await describe(more)
  await more[Symbol.asyncDispose]()
  await rm(catalog, { recursive: true })
  await mkdir(catalog)
  for (const [name, bytes] of old) await writeFile(join(catalog, name), bytes)
  await using again = await openTestArchive(folder.path)
  assert.deepEqual(await describe(again), expected)
})

test('a bit flipped in any file of the catalog changes no answer', async () => {
  await using folder = await temporaryFolder()
  const archive = await openTestArchive(folder.path)
  await fill(archive)
  const expected = await describe(archive)
  await archive[Symbol.asyncDispose]()
  const catalog = join(folder.path, 'catalog')
  const random = createRandom(5)
  for (let i = 0; i < 60; i++) {
    const names = (await readdir(catalog)).filter((name) =>
      /\.(ldb|log)$|MANIFEST|CURRENT/.test(name),
    )
    const name = names[Math.floor(random() * names.length)] ?? ''
    const bytes = await readFile(join(catalog, name))
    const at = Math.floor(random() * bytes.length)
    bytes[at] = (bytes[at] ?? 0) ^ (1 << Math.floor(random() * 8))
    await writeFile(join(catalog, name), bytes)
    const again = await openTestArchive(folder.path)
    assert.deepEqual(await describe(again), expected, `${name} at ${at}`)
    await again[Symbol.asyncDispose]()
  }
})

test('deleting or cutting any file of the catalog changes no answer', async () => {
  await using folder = await temporaryFolder()
  const archive = await openTestArchive(folder.path)
  await fill(archive)
  const expected = await describe(archive)
  await archive[Symbol.asyncDispose]()
  const catalog = join(folder.path, 'catalog')
  const kinds = [/^CURRENT$/, /^MANIFEST/, /\.log$/, /\.ldb$/]
  for (const [i, kind] of [...kinds, ...kinds].entries()) {
    const again = await openTestArchive(folder.path)
    await again[Symbol.asyncDispose]()
    const name = (await readdir(catalog)).find((name) => kind.test(name))
    if (name === undefined) continue
    const bytes = await readFile(join(catalog, name))
    if (i < kinds.length) await rm(join(catalog, name))
    else await writeFile(join(catalog, name), bytes.subarray(0, bytes.length / 2))
    await using last = await openTestArchive(folder.path)
    assert.deepEqual(await describe(last), expected, name)
  }
})

test('a bit flipped in a segment is never returned, and the same instance sent again heals it', async () => {
  const disk = createSimulatedDisk()
  await using folder = await temporaryFolder()
  await using archive = await openTestArchive(folder.path, { disk })
  const bytes = dataSet(manySlice(1, { pixels: noise(600_000, 1) }))
  await send(archive, bytes, declare(manySlice(1).sop))
  const whole = disk.contents('00000001.seg')
  const start = whole.indexOf(bytes.subarray(0, 64))
  for (const at of [0, 500, 262_144, 599_000, bytes.length - 1]) {
    const altered = Buffer.from(whole)
    altered[start + at] = (altered[start + at] ?? 0) ^ 4
    disk.replace('00000001.seg', altered)
    await assert.rejects(fetch(archive, '1.1', manySlice(1).sop), { code: 'storage_corrupt' })
    disk.replace('00000001.seg', whole)
  }
  const again = await send(archive, bytes, declare(manySlice(1).sop))
  assert.equal(again.outcome, 'stored')
  assert.equal((await archive.counts()).instances, 1)
  assert.equal((await send(archive, bytes, declare(manySlice(1).sop))).outcome, 'duplicate')
  assert.deepEqual(await fetch(archive, '1.1', manySlice(1).sop), bytes)
})

test('after a power cut everything acknowledged is there', async () => {
  for (let seed = 1; seed <= 20; seed++) {
    assert.deepEqual(await lostByPowerCut(seed, false), [], `seed ${seed}`)
  }
})

test('the power cut would show an acknowledgement without a sync', async () => {
  let lost = 0
  for (let seed = 1; seed <= 3; seed++) lost += (await lostByPowerCut(seed, true)).length
  assert.ok(lost > 0)
})

test('calls of the disk that fail, fall short or are interrupted acknowledge nothing that is not there', async () => {
  const figures = await injectFaults(12, 6)
  assert.deepEqual([figures.lost, figures.lies], [0, 0])
  assert.ok(figures.acknowledged > 50 && figures.failed > 0, JSON.stringify(figures))
})

test('on a full disk nothing is acknowledged, reading goes on, and intake comes back by itself', async () => {
  const disk = createSimulatedDisk()
  await using folder = await temporaryFolder()
  const freeSpace = { freeFractionMin: 0.05, freeBytesMin: 0 }
  let now = 0
  await using archive = await openTestArchive(folder.path, { disk, freeSpace, clock: () => now })
  await sendSlice(archive, manySlice(1))
  disk.faults = { freeBytes: () => 1e9 }
  now += 2000
  await assert.rejects(sendSlice(archive, manySlice(2)), { code: 'storage_full' })
  assert.deepEqual(await fetch(archive, '1.1', manySlice(1).sop), dataSet(manySlice(1)))
  disk.faults = {}
  assert.equal((await sendSlice(archive, manySlice(2))).outcome, 'stored')
  for (const room of [0, 100, 700]) {
    disk.faults = { write: withRoom(room) }
    await assert.rejects(sendSlice(archive, manySlice(3, { sop: `1.5.${room}` })), {
      code: 'storage_full',
    })
    disk.faults = {}
    const stored = await sendSlice(archive, manySlice(3, { sop: `1.5.${room}` }))
    assert.equal(stored.outcome, 'stored')
  }
  assert.equal((await archive.counts()).instances, 5)
})

test('a disk that fails in a sync acknowledges nothing more, and says so', async () => {
  const disk = createSimulatedDisk()
  await using folder = await temporaryFolder()
  await using archive = await openTestArchive(folder.path, { disk })
  await sendSlice(archive, manySlice(1))
  disk.faults = { sync: () => 'EIO' }
  const results = await Promise.allSettled([2, 3, 4].map((i) => sendSlice(archive, manySlice(i))))
  assert.ok(results.every(({ status }) => status === 'rejected'))
  assert.equal((await archive.failed).code, 'storage_failed')
  disk.faults = {}
  await assert.rejects(sendSlice(archive, manySlice(5)), { code: 'storage_failed' })
  await assert.rejects(archive.append('index-entry', Buffer.from('x')), { code: 'storage_failed' })
  assert.deepEqual(await fetch(archive, '1.1', manySlice(1).sop), dataSet(manySlice(1)))
})

test('an acknowledgement waits for the sync', async () => {
  const disk = createSimulatedDisk()
  await using folder = await temporaryFolder()
  await using archive = await openTestArchive(folder.path, { disk })
  for (let i = 0; i < 5; i++) {
    const before = disk.syncs
    await sendSlice(archive, manySlice(i))
    assert.ok(disk.syncs > before)
  }
})

test('an archive that is open is not opened a second time', async () => {
  await using folder = await temporaryFolder()
  await using _ = await openTestArchive(folder.path)
  await assert.rejects(openTestArchive(folder.path), { code: 'configuration_invalid' })
})

test('four senders of large and small instances at once keep every byte', async () => {
  await using folder = await temporaryFolder()
  await using archive = await openTestArchive(folder.path, { segmentBytes: 12_000_000 })
  const sizes = [200, 5_000_000, 70_000, 300_000, 4_194_304, 6_000_001]
  const senders = [1, 2, 3, 4].map(async (sender) => {
    for (const [i, size] of sizes.entries()) {
      const sop = `1.${sender}.9.${i}`
      const bytes = dataSet(manySlice(sender % 3, { sop, pixels: noise(size, sender * 10 + i) }))
      const stored = await send(archive, bytes, declare(sop), { partBytes: 60_000 + sender })
      assert.equal(stored.outcome, 'stored')
      const read = await fetch(archive, stored.study, sop)
      assert.equal(hash('sha256', read), hash('sha256', bytes))
    }
  })
  await Promise.all(senders)
  assert.equal((await archive.counts()).instances, 24)
})

test('an instance of 60 MB passes through bounded memory', async () => {
  await using folder = await temporaryFolder()
  await using archive = await openTestArchive(folder.path)
  const head = dataSet(manySlice(1, { pixels: Buffer.alloc(0) }))
  const total = 60_000_000
  head.writeUInt32LE(total, head.length - 4)
  const block = noise(128_000, 3)
  const sink = await archive.ingest(declare(manySlice(1).sop), stranger)
  sink.write(head)
  global.gc?.()
  const before = process.memoryUsage().arrayBuffers
  let peak = 0
  for (let at = 0; at < total; at += block.length) {
    if (!sink.write(block.subarray(0, Math.min(block.length, total - at)))) await sink.drain()
    peak = Math.max(peak, process.memoryUsage().arrayBuffers - before)
  }
  const stored = await sink.finish()
  assert.equal(stored.bytes, total + head.length)
  assert.ok(peak < 24_000_000, `${peak} bytes at the peak`)
})
