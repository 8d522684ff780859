import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openTestArchive, temporaryFolder } from './archive.fixture.ts'
import { loseRepeatedly, rotRepeatedly } from './rot.fixture.ts'

test('a bit flipped in any file is noticed and repaired, and no wrong byte is handed out', async (t) => {
  const figures = await rotRepeatedly(15, 4)
  t.diagnostic(JSON.stringify(figures))
  assert.deepEqual([figures.wrong, figures.unrepaired], [0, 0])
  // Of LevelDB's files some parts count for nothing; of the log none does.
  assert.deepEqual(
    Object.keys(figures.unused).filter((part) => part.startsWith('.seg')),
    [],
  )
})

test('a flipped bit where the last record ends loses no record, and the catalog stays', async () => {
  await using folder = await temporaryFolder()
  {
    await using archive = await openTestArchive(folder.path)
    for (const entry of ['one', 'two']) await archive.append('index-entry', Buffer.from(entry))
  }
  const log = join(folder.path, 'log')
  const file = join(log, (await readdir(log)).sort().at(-1) ?? '')
  const bytes = await readFile(file)
  bytes[bytes.byteLength - 5] = (bytes.at(-5) ?? 0) ^ 4
  await writeFile(file, bytes)
  for (const state of ['damaged', 'scrubbed', 'made anew']) {
    if (state === 'made anew') await rm(join(folder.path, 'catalog'), { recursive: true })
    await using archive = await openTestArchive(folder.path)
    const entries: string[] = []
    for await (const entry of archive.replay('index-entry')) {
      entries.push(Buffer.from(entry).toString())
    }
    assert.deepEqual(entries, ['one', 'two'])
    await archive.scrub()
  }
})

test('a file that is deleted or cut costs nothing whose bytes exist elsewhere', async (t) => {
  const figures = await loseRepeatedly(1, 5)
  t.diagnostic(JSON.stringify(figures))
  assert.equal(figures.lost, 0)
})
