import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { storageLimits } from '#protocol/limits.ts'
import { silentLog } from '../log.ts'
import { noise } from './archive.fixture.ts'
import { digestOfDataSet } from './chunk-digests.ts'
import { createRecord, encodeHeader } from './log-record.ts'
import type { RecordLocation } from './log-record.ts'
import type { LogPosition, Replayed } from './log-start.ts'
import { segmentName } from './log-start.ts'
import { createSimulatedDisk, withRoom } from './simulated-disk.fixture.ts'
import type { SimulatedDisk } from './simulated-disk.fixture.ts'
import { openValueLog } from './value-log.ts'
import type { ValueLog } from './value-log.ts'

const open = (disk: SimulatedDisk, segmentBytes = 1 << 30): ValueLog => {
  let salt = 1
  return openValueLog({
    disk,
    log: silentLog,
    clock: () => 0,
    random: (bytes) => noise(bytes, salt++).subarray(0, bytes),
    freeSpace: { freeFractionMin: 0, freeBytesMin: 0 },
    segmentBytes,
  })
}

type Positions = Map<number, LogPosition>
/** The records that file something; a data set alone is `replayAll`'s. */
async function replay(log: ValueLog, positions: Positions = new Map()): Promise<Replayed[]> {
  return (await replayAll(log, positions)).filter(({ type }) => type === 'filing')
}
async function replayAll(log: ValueLog, positions: Positions = new Map()): Promise<Replayed[]> {
  const records: Replayed[] = []
  for await (const record of log.replay(positions)) records.push(record)
  return records
}

const filing = (name: string, payload: Buffer) =>
  createRecord(
    'filing',
    { name, sha256: digestOfDataSet(payload).toString('hex') },
    Buffer.from(`about ${name}`),
  )
const appendGathered = (log: ValueLog, name: string, payload: Buffer) =>
  log.append([createRecord('instance', { name }, payload), filing(name, payload)])

async function appendStreamed(log: ValueLog, name: string, payload: Buffer) {
  const stream = await log.stream('instance', encodeHeader({ name }))
  for (let at = 0; at < payload.byteLength; at += 262_144) {
    await stream.write([payload.subarray(at, at + 262_144)])
  }
  const sha256 = digestOfDataSet(payload)
  return await stream.end({ bytes: payload.byteLength, sha256 }, [filing(name, payload)])
}

const nameOf = (record: Replayed): string => record.header['name'] as string

async function readBack(log: ValueLog, location: RecordLocation): Promise<Buffer> {
  const parts: Buffer[] = []
  for (let i = 0; i * 262_144 < location.bytes; i++) {
    const chunk = Buffer.alloc(Math.min(262_144, location.bytes - i * 262_144))
    const step = location.streamed ? i * 262_148 + 4 : i * 262_144
    await log.read(location.segment, chunk, location.payload + step)
    parts.push(chunk)
  }
  return Buffer.concat(parts)
}

test('much that is appended at once ends where a block does, wherever it began, and reads as before', async () => {
  await using log = open(createSimulatedDisk())
  for (const size of [200_000, 10, 131_072, 3, 1_000_001]) {
    const payload = noise(size, size)
    const appended = await appendGathered(log, `n${size}`, payload)
    if (size > storageLimits.directBytesMin) assert.equal((appended.at(-1)?.end ?? 1) % 4096, 0)
    const [{ location }] = appended as [(typeof appended)[number]]
    assert.ok(payload.equals(await readBack(log, location)))
  }
  const found = await replay(log)
  assert.deepEqual(found.map(nameOf), ['n200000', 'n10', 'n131072', 'n3', 'n1000001'])
  assert.deepEqual(
    found.map(({ payload }) => String(payload)),
    found.map((one) => `about ${nameOf(one)}`),
  )
})

test('whatever is appended, gathered or streamed, over many segments, is replayed with its bytes', async () => {
  const instance = fc.record({
    bytes: fc.integer({ min: 0, max: 600_000 }),
    streamed: fc.boolean(),
    together: fc.boolean(),
  })
  const run = async (instances: { bytes: number; streamed: boolean; together: boolean }[]) => {
    const disk = createSimulatedDisk()
    let log = open(disk, 200_000)
    await replay(log)
    const payloads = instances.map(({ bytes }, i) => noise(bytes, i))
    let waiting: Promise<unknown>[] = []
    for (const [i, { streamed, together }] of instances.entries()) {
      const append = streamed ? appendStreamed : appendGathered
      waiting.push(append(log, String(i), payloads[i] ?? Buffer.alloc(0)))
      if (together) continue
      await Promise.all(waiting)
      waiting = []
    }
    await Promise.all(waiting)
    await log[Symbol.asyncDispose]()
    log = open(disk, 200_000)
    const records = await replay(log)
    assert.deepEqual(records.map(nameOf).sort(), payloads.map((_, i) => String(i)).sort())
    for (const record of records) {
      assert.ok(record.instance)
      const payload = payloads[Number(nameOf(record))]
      assert.deepEqual(await readBack(log, record.instance.location), payload)
    }
    await log[Symbol.asyncDispose]()
  }
  await fc.assert(fc.asyncProperty(fc.array(instance, { maxLength: 12 }), run), {
    numRuns: 25,
    seed: 7,
  })
})

test('a tail torn at any byte is cut off; what was whole stays, and the log goes on', async () => {
  const disk = createSimulatedDisk()
  const log = open(disk)
  await replay(log)
  const ends: number[] = []
  for (const name of ['a', 'b', 'c']) {
    const appended = await appendGathered(log, name, noise(300, name.charCodeAt(0)))
    ends.push(appended.at(-1)?.end ?? 0)
  }
  await log[Symbol.asyncDispose]()
  const name = segmentName(1)
  const whole = disk.contents(name)
  assert.equal(ends.at(-1), whole.byteLength)
  for (let cut = 0; cut < whole.byteLength; cut++) {
    const torn = createSimulatedDisk()
    torn.replace(name, whole.subarray(0, cut))
    const again = open(torn)
    const left = (await replay(again)).map(nameOf)
    const expected = ['a', 'b', 'c'].slice(0, ends.filter((end) => end <= cut).length)
    assert.deepEqual(left, expected, `cut at ${cut}`)
    await appendGathered(again, 'd', noise(10, 4))
    await again[Symbol.asyncDispose]()
    const last = open(torn)
    assert.deepEqual((await replay(last)).map(nameOf), [...expected, 'd'], `after ${cut}`)
    await last[Symbol.asyncDispose]()
  }
})

test('a streamed record torn at any of its joints is cut off', async () => {
  const disk = createSimulatedDisk()
  const log = open(disk)
  await replay(log)
  await appendStreamed(log, 'a', noise(300_000, 1))
  await log[Symbol.asyncDispose]()
  const whole = disk.contents(segmentName(1))
  for (let cut = whole.byteLength - 400; cut < whole.byteLength; cut += 3) {
    const torn = createSimulatedDisk()
    torn.replace(segmentName(1), whole.subarray(0, cut))
    const again = open(torn)
    assert.deepEqual(await replay(again), [])
    await again[Symbol.asyncDispose]()
  }
})

test('a data set whose filing is torn off or damaged is handed out alone, once', async () => {
  const disk = createSimulatedDisk()
  const log = open(disk)
  await replay(log)
  const [a, , b] = [
    ...(await appendGathered(log, 'a', noise(400, 5))),
    ...(await appendGathered(log, 'b', noise(400, 6))),
  ]
  await log[Symbol.asyncDispose]()
  const whole = disk.contents(segmentName(1))
  const damaged = Buffer.from(whole)
  const inFiling = (a?.end ?? 0) + 40
  damaged[inFiling] = (damaged[inFiling] ?? 0) ^ 1
  const cases = [
    { bytes: damaged, expected: ['instance a', 'filing b'] },
    { bytes: whole.subarray(0, -1), expected: ['filing a', 'instance b'] },
  ]
  for (const { bytes, expected } of cases) {
    const altered = createSimulatedDisk()
    altered.replace(segmentName(1), bytes)
    const again = open(altered)
    const records = await replayAll(again)
    assert.deepEqual(
      records.map((record) => `${record.type} ${nameOf(record)}`),
      expected,
    )
    const last = records.at(-1)
    assert.ok((last?.span.end ?? 0) >= (b?.end ?? 0))
    await again[Symbol.asyncDispose]()
  }
})

test('a bit flipped anywhere loses only the record it lies in, and others are still found', async () => {
  const disk = createSimulatedDisk()
  const log = open(disk)
  await replay(log)
  for (const name of ['a', 'b', 'c']) await appendGathered(log, name, noise(400, 5))
  await log[Symbol.asyncDispose]()
  const whole = disk.contents(segmentName(1))
  for (let at = 0; at < whole.byteLength; at += 7) {
    const altered = Buffer.from(whole)
    altered[at] = (altered[at] ?? 0) ^ (1 << (at % 8))
    const rotten = createSimulatedDisk()
    rotten.replace(segmentName(1), altered)
    const again = open(rotten)
    const left = await replay(again)
    const good = left.filter(({ instance }) => instance !== undefined).map(nameOf)
    assert.ok(good.length >= 2, `${good.join()} left with a flip at ${at}`)
    await again[Symbol.asyncDispose]()
  }
})

test('a catalog that claims what the log does not have is noticed', async () => {
  const disk = createSimulatedDisk()
  const log = open(disk, 1000)
  await replay(log)
  const spans: Positions = new Map()
  for (const name of ['a', 'b', 'c', 'd']) {
    const appended = await appendGathered(log, name, noise(400, 5))
    const last = appended.at(-1)
    if (last) spans.set(last.location.segment, { offset: last.end, chain: last.chain })
  }
  await log[Symbol.asyncDispose]()
  const again = open(disk, 1000)
  assert.deepEqual(await replay(again, spans), [])
  const other = new Map(spans)
  const [segment = 0, position] = [...spans][0] ?? []
  other.set(segment, { offset: position?.offset ?? 0, chain: Buffer.alloc(32, 1) })
  await assert.rejects(replay(again, other), { name: 'CatalogMismatch' })
  const missing = new Map(spans).set(99, { offset: 1, chain: Buffer.alloc(32) })
  assert.deepEqual(await replay(again, missing), [])
  assert.ok((await again.segments()).every(({ number }) => number < 99))
  assert.equal((await replay(again)).length, 4)
  await again[Symbol.asyncDispose]()
})

test('short and interrupted writes are finished', async () => {
  const disk = createSimulatedDisk()
  const log = open(disk)
  await replay(log)
  let turn = 0
  disk.faults = {
    write: (bytes) => (turn++ % 3 === 0 ? 'EINTR' : Math.min(bytes, 1 + (turn % 5) * 100)),
  }
  await appendGathered(log, 'a', noise(5000, 1))
  await appendStreamed(log, 'b', noise(5000, 2))
  disk.faults = {}
  await log[Symbol.asyncDispose]()
  const again = open(disk)
  assert.deepEqual((await replay(again)).map(nameOf).sort(), ['a', 'b'])
  await again[Symbol.asyncDispose]()
})

test('a full disk refuses, keeps what it had, and takes records again when there is room', async () => {
  const disk = createSimulatedDisk()
  const log = open(disk)
  await replay(log)
  await appendGathered(log, 'a', noise(5000, 1))
  for (const room of [0, 1, 40, 300, 5200]) {
    disk.faults = { write: withRoom(room) }
    await assert.rejects(appendGathered(log, 'x', noise(5000, 2)), { code: 'storage_full' })
    const stream = await log.stream('instance', encodeHeader({ name: 'y' })).catch(() => undefined)
    if (stream !== undefined) {
      await assert.rejects(stream.write([noise(6000, 3)]), { code: 'storage_full' })
      disk.faults = {}
      await stream.abort()
    }
    disk.faults = {}
    await appendGathered(log, `b${room}`, noise(100, 3))
  }
  await log[Symbol.asyncDispose]()
  const again = open(disk)
  const expected = ['a', 'b0', 'b1', 'b40', 'b300', 'b5200']
  assert.deepEqual((await replay(again)).map(nameOf), expected)
  await again[Symbol.asyncDispose]()
})

test('a failed sync ends the log: nobody is told it worked, and nothing more is taken', async () => {
  const disk = createSimulatedDisk()
  const log = open(disk)
  await replay(log)
  await appendGathered(log, 'a', noise(100, 1))
  disk.faults = { sync: () => 'EIO' }
  await assert.rejects(appendGathered(log, 'b', noise(100, 1)), { code: 'storage_failed' })
  disk.faults = {}
  await assert.rejects(appendGathered(log, 'c', noise(100, 1)), { code: 'storage_failed' })
  await assert.rejects(log.checkSpace(), { code: 'storage_failed' })
  await assert.rejects(log.stream('instance', encodeHeader({})), { code: 'storage_failed' })
  assert.equal((await log.failed).code, 'storage_failed')
  await log[Symbol.asyncDispose]()
})

test('one sync serves everybody who waits', async () => {
  const disk = createSimulatedDisk()
  const log = open(disk)
  await replay(log)
  await appendGathered(log, 'first', noise(100, 1))
  const before = disk.syncs
  await Promise.all(
    Array.from({ length: 50 }, (_, i) => appendGathered(log, String(i), noise(1000, i))),
  )
  assert.ok(disk.syncs - before <= 3, `${disk.syncs - before} syncs for 50 appends`)
  await log[Symbol.asyncDispose]()
})

test('a segment is sealed at its size and names the one before it', async () => {
  const disk = createSimulatedDisk()
  const log = open(disk, 2000)
  await replay(log)
  for (let i = 0; i < 6; i++) await appendGathered(log, String(i), noise(1500, i))
  await log[Symbol.asyncDispose]()
  const sealed = disk.contents(segmentName(1)).subarray(-32).toString('hex')
  assert.ok(disk.contents(segmentName(2)).includes(sealed))
  const again = open(disk, 2000)
  assert.equal((await replay(again)).length, 6)
  await again[Symbol.asyncDispose]()
})

test('who waits for a segment is told when none can be made', { timeout: 5000 }, async () => {
  const disk = createSimulatedDisk()
  await using log = open(disk)
  await replay(log)
  disk.faults = { write: () => 'ENOSPC' }
  const streams = Array.from({ length: storageLimits.openSegmentsMax + 2 }, (_, i) =>
    log.stream('instance', encodeHeader({ name: String(i) })),
  )
  const small = appendGathered(log, 'small', noise(100, 1))
  // Nobody else comes: who is left must not wait for them.
  const all = await Promise.allSettled([...streams, small])
  assert.ok(all.every(({ status }) => status === 'rejected'))
  disk.faults = {}
  await appendGathered(log, 'later', noise(100, 2))
})
