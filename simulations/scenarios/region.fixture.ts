import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createHash } from 'node:crypto'
import { readdirSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { readPart10File } from '../../node/dicom/part10.ts'
import type { StoreItem } from '../../node/dimse/scu.ts'
import type { Client } from '../client.ts'
import { eventually } from '../client.ts'
import { freePorts, type RegionPorts } from '../layout.ts'
import { createRegion, type Region } from '../region.ts'

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

export const sha256 = (bytes: Uint8Array): string =>
  createHash('sha256').update(bytes).digest('hex')

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

/** DICOM JSON as scripts read it. */
export type Row = Record<string, { Value?: unknown[] }>
export const valueOf = (row: Row | undefined, tag: string): string =>
  String(row?.[tag]?.Value?.[0] ?? '')

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

/** The data set of one instance as a node serves it, in whatever syntax it is stored. */
export async function retrieve(client: Client, row: Row): Promise<Uint8Array> {
  const [study, series, sop] = ['0020000D', '0020000E', '00080018'].map((tag) => valueOf(row, tag))
  const answer = await client.get(`/dicom-web/studies/${study}/series/${series}/instances/${sop}`, {
    accept: 'application/dicom; transfer-syntax=*',
  })
  if (answer.status !== 200) throw new Error(`instance ${sop} answered ${answer.status}`)
  return readPart10File(new Uint8Array(await answer.arrayBuffer())).dataSet
}
