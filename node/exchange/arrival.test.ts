import { test } from 'node:test'
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, open, readdir, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { codeOf } from '#protocol/errors.ts'
import type { ErrorCode } from '#protocol/errors.ts'
import { exchangeLimits, streamLimits } from '#protocol/limits.ts'
import type { ManifestInstance } from '#protocol/manifest.ts'
import { silentLog } from '../log.ts'
import { createArrival } from './arrival.ts'
import { openCopies } from './copies.ts'
import { digestOf, rootOf } from './digests.ts'
import { collect, instanceOf } from './exchange.fixture.ts'

const { chunkBytes } = streamLimits
const limits = { ...streamLimits, ...exchangeLimits }
const coded = (code: ErrorCode) => (error: unknown) => {
  assert.equal(codeOf(error), code, String(error))
  return true
}

function chunksOf(bytes: Uint8Array) {
  const count = Math.ceil(bytes.byteLength / chunkBytes)
  return Array.from({ length: count }, (_, i) =>
    digestOf(bytes.subarray(i * chunkBytes, (i + 1) * chunkBytes)),
  )
}

async function setUp(length: number) {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'cami-arrival-'))
  const { sop, series, bytes } = instanceOf(1, length)
  const chunks = chunksOf(bytes)
  const instance: ManifestInstance = {
    sop,
    series,
    class: '1.2.3',
    transferSyntax: '1.2.840.10008.1.2',
    bytes: length,
    chunksRoot: rootOf(chunks),
  }
  const copies = await openCopies({
    dir: path.join(dir, 'copies'),
    bytesMax: 1e9,
    chunkBytes,
    verifiedMax: 10,
    log: silentLog,
  })
  const file = path.join(dir, 'transfers', instance.chunksRoot)
  const clock = { now: 0 }
  const start = () => createArrival({ instance, file, copies, limits, clock: () => clock.now })
  return {
    dir,
    bytes,
    chunks,
    instance,
    copies,
    file,
    clock,
    start,
    [Symbol.asyncDispose]: () => rm(dir, { recursive: true }),
  }
}

const whole = { offset: 0, length: Infinity }

test('chunks that came in any order make a copy, and the file that gathered them is gone', async () => {
  await using it = await setUp(5 * chunkBytes + 7)
  const arrival = it.start()
  assert.equal(await arrival.needsDigests(), 'later')
  for (const index of [3, 1, 5, 0]) {
    const offset = index * chunkBytes
    await arrival.accept(offset, it.bytes.subarray(offset, offset + chunkBytes))
  }
  assert.deepEqual(arrival.missing(whole), { offset: 2 * chunkBytes, length: chunkBytes })
  assert.equal(arrival.isProven(3), false)
  await arrival.learn(it.chunks)
  assert.equal(arrival.isProven(3), true)
  await arrival.accept(2 * chunkBytes, it.bytes.subarray(2 * chunkBytes, 3 * chunkBytes))
  await arrival.accept(4 * chunkBytes, it.bytes.subarray(4 * chunkBytes))
  assert.equal(arrival.isDone(), true)
  assert.equal(arrival.missing(whole), undefined)
  const copy = await collect(it.copies.read(it.instance.chunksRoot, { offset: 0, length: 1e9 }))
  assert.ok(Buffer.from(copy).equals(it.bytes))
  assert.deepEqual(await readdir(path.dirname(it.file)), [])
})

test('of what an earlier process left, only whole right chunks count', async () => {
  await using it = await setUp(4 * chunkBytes)
  const left = Buffer.from(it.bytes.subarray(0, 3 * chunkBytes - 10))
  left[chunkBytes + 5] = (left[chunkBytes + 5] ?? 0) ^ 1
  await mkdir(path.dirname(it.file), { recursive: true })
  await writeFile(it.file, left)
  const arrival = it.start()
  assert.equal(await arrival.needsDigests(), 'first')
  await arrival.learn(it.chunks)
  assert.deepEqual(arrival.missing(whole), { offset: chunkBytes, length: 3 * chunkBytes })
  await arrival.accept(chunkBytes, it.bytes.subarray(chunkBytes))
  assert.equal(arrival.isDone(), true)
})

test('chunk digests that are not those of the manifest are refused', async () => {
  await using it = await setUp(4 * chunkBytes)
  const arrival = it.start()
  await assert.rejects(arrival.learn(it.chunks.slice(1)), coded('manifest_mismatch'))
})

test('what the disk alters after it was proven makes no copy and is brought again', async () => {
  await using it = await setUp(4 * chunkBytes)
  const arrival = it.start()
  await arrival.learn(it.chunks)
  await arrival.accept(0, it.bytes.subarray(0, 3 * chunkBytes))
  await using file = await open(it.file, 'r+')
  await file.write(Uint8Array.of((it.bytes[5] ?? 0) ^ 1), 0, 1, 5)
  const last = it.bytes.subarray(3 * chunkBytes)
  await assert.rejects(arrival.accept(3 * chunkBytes, last), coded('digest_mismatch'))
  assert.equal(arrival.failure()?.code, 'digest_mismatch')
  it.clock.now += exchangeLimits.banMs
  assert.equal(arrival.failure(), undefined)
  assert.deepEqual(arrival.missing(whole), { offset: 0, length: 4 * chunkBytes })
  await arrival.accept(0, it.bytes)
  assert.equal(arrival.isDone(), true)
})

test('a disk that fails ends the arrival with its code, and it is tried again later', async () => {
  await using it = await setUp(2 * chunkBytes)
  // A file stands where the folder of copies would be.
  const folder = path.join(it.dir, 'copies', it.instance.chunksRoot.slice(0, 2))
  await writeFile(folder, '')
  const arrival = it.start()
  await assert.rejects(arrival.accept(0, it.bytes), (error) => error instanceof Error)
  assert.equal(arrival.failure()?.code, 'storage_failed')
  await rm(folder)
  it.clock.now += exchangeLimits.banMs
  assert.equal(arrival.failure(), undefined)
  await arrival.settled()
  assert.equal(arrival.isDone(), true)
})
