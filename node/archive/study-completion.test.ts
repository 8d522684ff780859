import assert from 'node:assert/strict'
import { truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { codeOf } from '#protocol/errors.ts'
import type { StudyUid } from '#protocol/ids.ts'
import { silentLog } from '../log.ts'
import { createClock, openTestArchive, sendSlice, temporaryFolder } from './archive.fixture.ts'
import { openCatalog } from './catalog.ts'
import { fillUp, mountSmall } from './full-disk.fixture.ts'
import { createSequence } from './sequence.ts'
import { createSimulatedDisk } from './simulated-disk.fixture.ts'
import { createStudyCompletion } from './study-completion.ts'

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
  const isTaken = (study: string) =>
    sendSlice(archive, { study, series: `${study}.1`, sop: `${study}.1.1` }).then(
      () => true,
      (error: unknown) => assert.equal(codeOf(error), 'storage_full'),
    )
  // What LevelDB has written of its files may still take a few; the first that it refuses is read from memory.
  while ((await isTaken(`1.${sent + 1}`)) === true) {
    sent++
    assert.equal((await archive.counts()).instances, sent)
  }
  const missing = `1.${sent}`
  move(6 * 60_000)
  await pause(50)
  assert.ok(!done.includes(missing))
  await truncate(rubbish, 0)
  for (let i = 0; i < 60 && (await isTaken('2.1')) !== true; i++) await pause(100)
  move(6 * 60_000)
  for (let i = 0; i < 30 && !done.includes(missing); i++) await pause(50)
  assert.ok(done.includes(missing))
})

test('a study is watched also when its row cannot be read just then', async () => {
  await using folder = await temporaryFolder()
  const { timers, clock, move } = createClock()
  const catalog = await openCatalog(join(folder.path, 'c'), { log: silentLog, node: 'n' })
  const completion = await createStudyCompletion({
    valueLog: { append: async () => assert.fail('nothing is complete') },
    catalog,
    sequence: createSequence(0),
    timers,
    clock,
    quietMs: () => 1000,
    log: silentLog,
    completed: () => undefined,
  })
  await using _ = completion
  // As while LevelDB is opened again after a full disk.
  await catalog[Symbol.asyncDispose]()
  completion.touch('1.2' as StudyUid)
  for (let i = 0; i < 3; i++) {
    move(1001)
    await pause(20)
  }
})
