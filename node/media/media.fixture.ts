import { createWriteStream } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Writable } from 'node:stream'
import { Uint8ArrayReader, ZipWriter } from '@zip.js/zip.js'
import type { AuditEntry } from '#protocol/audit-event.ts'
import type { OrganizationOid } from '#protocol/ids.ts'
import type { Archive } from '../archive/archive.ts'
import { openArchive } from '../archive/level-archive.ts'
import { createPart10Header } from '../dicom/part10.ts'
import { silentLog } from '../log.ts'
import type { FileReport } from './import.ts'
import { openMediaImports, type Importer, type MediaImports } from './media-imports.ts'

/** A real archive, a folder in which media are mounted, and the imports over both. */
export type MediaWorld = AsyncDisposable & {
  dir: string
  mountDir: string
  archive: Archive
  imports: MediaImports
  audited: AuditEntry[]
  /** Imports a folder and waits for its end. */
  importFolder(folder: string): Promise<FileReport[]>
  importZip(bytes: Uint8Array): Promise<FileReport[]>
  finished(id: string): Promise<FileReport[]>
}

export const importer: Importer = {
  uid: 'u1',
  organization: '1.2.643.5.1.13.13.12.2.42.1001',
  role: 'radiographer',
  address: '10.0.0.7',
}

export async function createMediaWorld(parent = tmpdir()): Promise<MediaWorld> {
  await using stack = new AsyncDisposableStack()
  const dir = await mkdtemp(path.join(parent, 'cami-media-'))
  stack.defer(() => rm(dir, { recursive: true, force: true }))
  const mountDir = path.join(dir, 'mounted')
  await mkdir(mountDir)
  const archive = stack.use(
    await openArchive({
      dir: path.join(dir, 'archive'),
      holder: importer.organization as OrganizationOid,
      log: silentLog,
      clock: () => 1_772_000_000_000,
      random: (count) => new Uint8Array(count),
      freeSpace: { freeFractionMin: 0, freeBytesMin: 0 },
    }),
  )
  const audited: AuditEntry[] = []
  const imports = stack.use(
    await openMediaImports({
      archive,
      dir: path.join(dir, 'uploads'),
      mountDir,
      audit: async (entry) => audited.push(entry),
      clock: () => 1_772_000_000_000,
      log: silentLog,
      freeSpace: { freeFractionMin: 0, freeBytesMin: 0 },
    }),
  )
  const finished = async (id: string): Promise<FileReport[]> => {
    while (imports.status(id).endedAt === undefined)
      await new Promise((done) => setTimeout(done, 5))
    return imports.report(id, 0, 100_000).files
  }
  const owned = stack.move()
  return {
    dir,
    mountDir,
    archive,
    imports,
    audited,
    finished,
    importFolder: async (folder) => finished((await imports.importFolder(importer, folder)).id),
    async importZip(bytes) {
      const body = (async function* () {
        for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536)
      })()
      const upload = { name: 'disc.zip', bytes: bytes.length, body }
      return finished((await imports.upload(importer, upload)).id)
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** A file as media have it. */
export const fileOf = (dataSet: Uint8Array, sopUid: string): Buffer =>
  Buffer.concat([
    createPart10Header({
      sopClass: '1.2.840.10008.5.1.4.1.1.2',
      sopUid,
      transferSyntax: '1.2.840.10008.1.2.1',
    }),
    dataSet,
  ])

export async function writeTree(root: string, files: Record<string, Uint8Array>): Promise<void> {
  for (const [name, bytes] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(root, name)), { recursive: true })
    await writeFile(path.join(root, name), bytes)
  }
}

export type ZipMember = { name: string; bytes: Uint8Array; password?: string; symlink?: boolean }

/** Also what no honest writer makes. */
export async function zipOf(dir: string, members: readonly ZipMember[]): Promise<Buffer> {
  const file = path.join(dir, `made-${members.length}-${Math.abs(hashOf(members))}.zip`)
  const writer = new ZipWriter(Writable.toWeb(createWriteStream(file)), { useWebWorkers: false })
  for (const { name, bytes, password, symlink } of members) {
    await writer.add(name, new Uint8ArrayReader(bytes), {
      ...(password !== undefined && { password, encryptionStrength: 3 }),
      ...(symlink === true && { unixMode: 0o120_777 }),
    })
  }
  await writer.close()
  return readFile(file)
}

const hashOf = (members: readonly ZipMember[]): number =>
  members.reduce((sum, { name, bytes }) => (sum * 31 + name.length * 7 + bytes.length) | 0, 7)
