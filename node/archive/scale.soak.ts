import assert from 'node:assert/strict'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { dataSet, declare, openTestArchive, send, temporaryFolder } from './archive.fixture.ts'
import type { Archive } from './archive.ts'

/**
 * What an archive costs as it grows: `CAMI_LEVELS` are the numbers of instances at which it is measured. Instances are
 * small; what depends on their number shows, what depends on bytes is in the scrub's seconds per GB.
 */
const levels = (process.env['CAMI_LEVELS'] ?? '100000,500000,1000000').split(',').map(Number)
const segmentBytes = 64 * 1024 * 1024
const sample = 2000
const senders = 4

/** Fills up to a number; gives the mean milliseconds of the last ones, each alone. */
async function grow(archive: Archive, from: number, to: number): Promise<number> {
  let next = from
  const pixels = Buffer.alloc(64)
  async function one(): Promise<void> {
    const i = next++
    const study = `1.2.${Math.floor(i / 100)}`
    const sop = `${study}.9.${i}`
    const patientId = `P${Math.floor(i / 300)}`
    const day = String(1 + (Math.floor(i / 100) % 28)).padStart(2, '0')
    const slice = { study, series: `${study}.1`, sop, patientId, date: `202601${day}`, pixels }
    await send(archive, dataSet(slice), declare(sop))
  }
  const bulk = async (): Promise<void> => {
    while (next < to - sample) await one()
  }
  await Promise.all(Array.from({ length: senders }, bulk))
  const begin = performance.now()
  while (next < to) await one()
  return (performance.now() - begin) / sample
}

async function folderBytes(folder: string): Promise<number> {
  const sizes = (await readdir(folder)).map(async (name) => (await stat(join(folder, name))).size)
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0)
}

test('ingest, start, handles and memory while an archive grows', async () => {
  await using folder = await temporaryFolder()
  const open = () => openTestArchive(folder.path, { segmentBytes })
  const rows: Record<string, number>[] = []
  let from = 0
  for (const level of [sample * 2, ...levels]) {
    let ingestMs = 0
    {
      await using archive = await open()
      ingestMs = await grow(archive, from, level)
    }
    from = level
    const begin = performance.now()
    await using archive = await open()
    const startMs = performance.now() - begin
    const handles = (await readdir('/proc/self/fd')).length
    const logBytes = await folderBytes(join(folder.path, 'log'))
    const scrubBegin = performance.now()
    assert.deepEqual(await archive.scrub(), { repaired: 0, damaged: 0, rows: 0 })
    const scrubSeconds = (performance.now() - scrubBegin) / 1000
    rows.push({
      instances: level,
      'ingest ms': Number(ingestMs.toFixed(2)),
      'start ms': Math.round(startMs),
      'catalog MB': Math.round((await folderBytes(join(folder.path, 'catalog'))) / 1e6),
      'log MB': Math.round(logBytes / 1e6),
      segments: (await readdir(join(folder.path, 'log'))).length,
      handles,
      'scrub s': Number(scrubSeconds.toFixed(1)),
      'scrub µs per instance': Math.round((scrubSeconds * 1e6) / level),
      'RSS MB': Math.round(process.memoryUsage().rss / 1e6),
    })
    console.log(JSON.stringify(rows.at(-1)))
  }
  const [empty, ...grown] = rows.map((row) => row['ingest ms'] ?? 0)
  for (const ms of grown) assert.ok(ms <= 1.2 * (empty ?? 0), `${ms} ms against ${empty} ms`)
})
