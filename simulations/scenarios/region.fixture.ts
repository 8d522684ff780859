import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { readdirSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { readPart10File } from '../../node/dicom/part10.ts'
import type { StoreItem } from '../../node/dimse/scu.ts'
import type { Client } from '../client.ts'
import { eventually } from '../client.ts'
import { freePorts, type RegionPorts } from '../layout.ts'
import { createRegion, type Region } from '../region.ts'
import { sha256, valueOf, type Row } from './scenario.ts'

/** A region of three hospitals for one test file, in a folder of its own that goes with it. */
export type TestRegion = AsyncDisposable & { region: Region; ports: RegionPorts; dataDir: string }

export async function testRegion(seed: number): Promise<TestRegion> {
  const dataDir = await mkdtemp(path.join(os.tmpdir(), 'cami-region-'))
  const ports = await freePorts(3)
  const region = await createRegion({
    seed,
    mode: 'processes',
    dataDir,
    ports,
    members: 3,
    samples: false,
  })
  return {
    region,
    ports,
    dataDir,
    async [Symbol.asyncDispose]() {
      await region[Symbol.asyncDispose]()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

export function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
    .sort()
}

export type SentFile = { file: string; item: StoreItem; digest: string }

export async function readItems(files: readonly string[]): Promise<SentFile[]> {
  const read = async (file: string) => {
    const item = readPart10File(await readFile(file))
    return { file, item, digest: sha256(item.dataSet) }
  }
  return await Promise.all(files.map(read))
}

/** Rows of the region list at a node once they count `instances` in all. */
export async function regionStudies(client: Client, instances: number): Promise<Row[]> {
  return await eventually(
    `${instances} instances in the region list`,
    async () => {
      const rows = await client.json<Row[]>('/dicom-web/studies?scope=region&limit=100')
      const total = rows.reduce((sum, row) => sum + Number(valueOf(row, '00201208')), 0)
      return total >= instances ? rows : undefined
    },
    45_000,
  )
}
