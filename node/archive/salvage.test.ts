import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  dataSet,
  declare,
  fetch,
  noise,
  openTestArchive,
  send,
  temporaryFolder,
} from './archive.fixture.ts'
import type { Slice } from './archive.fixture.ts'
import { createSimulatedDisk } from './simulated-disk.fixture.ts'

const slices: Slice[] = [1, 2, 3].map((i) => ({
  study: '1.1',
  series: '1.1.1',
  sop: `1.1.1.${i}`,
  pixels: noise(500, i),
}))
const name = '00000001.seg'

test('without a catalog, a bit flipped anywhere in the log loses no instance; altered bytes are told and healed', async () => {
  const disk = createSimulatedDisk()
  await using first = await temporaryFolder()
  const archive = await openTestArchive(first.path, { disk })
  for (const slice of slices) await send(archive, dataSet(slice), declare(slice.sop))
  await archive[Symbol.asyncDispose]()
  const whole = disk.contents(name)
  const healed = { whole: 0, altered: 0 }
  for (let at = 0; at < whole.byteLength; at += 41) {
    const bytes = Buffer.from(whole)
    bytes[at] = (bytes[at] ?? 0) ^ (1 << (at % 8))
    const rotten = createSimulatedDisk()
    rotten.replace(name, bytes)
    await using folder = await temporaryFolder()
    await using again = await openTestArchive(folder.path, { disk: rotten })
    const isHit = slices.map((slice) => {
      const start = whole.indexOf(dataSet(slice))
      return at >= start && at < start + dataSet(slice).byteLength
    })
    for (const [i, slice] of slices.entries()) {
      // The last record of an open segment cannot be told from one that a crash cut short.
      const isTail = i === slices.length - 1
      const read = await fetch(again, slice.study, slice.sop).catch((error: unknown) => error)
      if (isHit[i] === true) {
        assert.ok(read instanceof Error, `altered bytes returned, flip at ${at}`)
        healed.altered++
      } else if (!isTail || !(read instanceof Error)) {
        assert.deepEqual(read, dataSet(slice), `flip at ${at}`)
        healed.whole++
      }
      const stored = await send(again, dataSet(slice), declare(slice.sop))
      assert.notEqual(stored.outcome, 'quarantined')
      assert.deepEqual(await fetch(again, slice.study, slice.sop), dataSet(slice))
    }
  }
  assert.ok(healed.whole > 100 && healed.altered > 10)
})

test('what was filed anew is found again by the next rebuild, once', async () => {
  const disk = createSimulatedDisk()
  await using folder = await temporaryFolder()
  const open = () => openTestArchive(folder.path, { disk })
  const archive = await open()
  for (const slice of slices) await send(archive, dataSet(slice), declare(slice.sop))
  await archive[Symbol.asyncDispose]()
  const bytes = disk.contents(name)
  const filing = bytes.indexOf('"kind":"instance"')
  bytes[filing] = 0
  disk.replace(name, bytes)
  for (let i = 0; i < 3; i++) {
    await rm(join(folder.path, 'catalog'), { recursive: true, force: true })
    await using again = await open()
    assert.equal((await again.counts()).instances, 3)
    for (const slice of slices) {
      assert.deepEqual(await fetch(again, slice.study, slice.sop), dataSet(slice))
    }
  }
})
