import assert from 'node:assert/strict'
import { truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { createClock, openTestArchive, sendSlice } from './archive.fixture.ts'
import { fillUp, mountSmall } from './full-disk.fixture.ts'
import { createSimulatedDisk } from './simulated-disk.fixture.ts'

test('a study that came while the catalog took no writes falls complete afterwards', async (t) => {
  await using place = await mountSmall(16)
  if (place === undefined) return t.skip('this process may not mount a file system')
  const { timers, clock, move } = createClock()
  const folder = join(place.path, 'archive')
  // The log has a disk of its own, as it may: only the catalog's is full.
  const disk = createSimulatedDisk()
  await using archive = await openTestArchive(folder, { disk, timers, clock })
  const done: string[] = []
  archive.on((event) => event.kind === 'study-complete' && done.push(event.study))
  const rubbish = join(place.path, 'rubbish')
  await fillUp(rubbish, 0)
  let sent = 0
  // What LevelDB has written of its files may still take a few.
  while ((await archive.counts()).instances === sent) {
    sent++
    await sendSlice(archive, { study: `1.${sent}`, series: `1.${sent}.1`, sop: `1.${sent}.1.1` })
    await pause(60)
  }
  const missing = `1.${sent}`
  move(6 * 60_000)
  await pause(50)
  await truncate(rubbish, 0)
  for (let i = 0; i < 60 && (await archive.counts()).instances < sent; i++) await pause(100)
  assert.equal((await archive.counts()).instances, sent)
  move(6 * 60_000)
  for (let i = 0; i < 30 && !done.includes(missing); i++) await pause(50)
  assert.ok(done.includes(missing))
})
