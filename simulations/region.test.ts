import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { freePorts } from './layout.ts'
import { createRegion } from './region.ts'

/** Programs whose command line names the folder. */
async function programsOf(folder: string): Promise<number[]> {
  const pids = (await readdir('/proc')).map(Number).filter((pid) => pid > 0)
  const lines = await Promise.all(
    pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')),
  )
  return pids.filter((_, index) => lines[index]?.includes(folder))
}

test('a region of which one node does not start leaves no program behind', async () => {
  const dataDir = await mkdtemp(path.join(os.tmpdir(), 'cami-region-'))
  const ports = await freePorts(3)
  // A file where a folder should be ends it long before the others are ready.
  await mkdir(path.join(dataDir, 'okb'))
  await writeFile(path.join(dataDir, 'okb', 'records'), '')
  const options = {
    seed: 1,
    mode: 'processes',
    dataDir,
    ports,
    members: 3,
    samples: false,
  } as const
  await assert.rejects(createRegion(options))
  assert.deepEqual(await programsOf(dataDir), [])
  await rm(dataDir, { recursive: true })
})
