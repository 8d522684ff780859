import { randomUUID } from 'node:crypto'
import { open, mkdir, readdir, realpath, rm, statfs } from 'node:fs/promises'
import path from 'node:path'
import type { AuditEntry } from '#protocol/audit-event.ts'
import { codeOf, ProtocolError, type ErrorCode } from '#protocol/errors.ts'
import { mediaLimits, storageLimits } from '#protocol/limits.ts'
import type { Archive } from '../archive/archive.ts'
import type { Log } from '../log.ts'
import { openFolder } from './folder.ts'
import { importMedium, type FileReport } from './import.ts'
import { safePath, type Medium } from './medium.ts'
import { openZip } from './zip.ts'

/** Who brings a medium in. */
export type Importer = { uid: string; organization: string; role: string; address: string }

export type ImportStatus = {
  id: string
  /** Of the folder or file, as the user calls it. */
  name: string
  user: string
  state: 'receiving' | 'running' | 'done' | 'cancelled' | 'failed'
  /** Why it failed. */
  code?: ErrorCode
  startedAt: number
  endedAt?: number
  /** Bytes of the upload that have come. */
  received: number
  files: { done: number; total: number }
  /** Files by what became of them. */
  outcomes: Partial<Record<FileReport['outcome'], number>>
  studies: number
}

/** Media that are being taken in, and the reports of the last ones. After a restart the archive knows what came in. */
export type MediaImports = AsyncDisposable & {
  /** Takes a ZIP file whole, then imports it; resolves when it is here. */
  upload(
    importer: Importer,
    upload: { name: string; bytes?: number; body: AsyncIterable<Uint8Array> },
  ): Promise<ImportStatus>
  /** A folder below the one in which discs are mounted. */
  importFolder(importer: Importer, folder: string): Promise<ImportStatus>
  list(): ImportStatus[]
  /** Throws `not_found`. */
  status(id: string): ImportStatus
  /** Files in the order in which they were done. */
  report(id: string, after: number, limit: number): { files: FileReport[]; total: number }
  cancel(id: string): Promise<ImportStatus>
}

export type MediaDeps = {
  archive: Pick<Archive, 'ingest'>
  /** For uploads that have not been imported yet; emptied at start. */
  dir: string
  /** Where discs are mounted; without it no folder is imported. */
  mountDir?: string
  audit: (entry: AuditEntry) => Promise<unknown>
  clock: () => number
  log: Log
  /** What the archive keeps free on the disk; uploads leave it too. */
  freeSpace?: { freeFractionMin: number; freeBytesMin: number }
}

type Job = {
  status: ImportStatus
  files: FileReport[]
  studies: Map<string, { instances: number; bytes: number }>
  stop: AbortController
  finished: Promise<void>
}

export async function openMediaImports(deps: MediaDeps): Promise<MediaImports> {
  const { dir, mountDir } = deps
  await mkdir(dir, { recursive: true, mode: 0o700 })
  for (const name of await readdir(dir)) await rm(path.join(dir, name), { recursive: true })
  const jobs = new Map<string, Job>()
  const jobOf = (id: string): Job => {
    const job = jobs.get(id)
    if (job === undefined) throw new ProtocolError('not_found', 'no such import')
    return job
  }
  const begin = (importer: Importer, name: string): Job => {
    const isRunning = ({ status }: Job) => status.endedAt === undefined
    if ([...jobs.values()].filter(isRunning).length >= mediaLimits.runningMax) {
      throw new ProtocolError('rate_limited', 'other imports are under way')
    }
    const job = createJob(importer, name, deps.clock())
    jobs.set(job.status.id, job)
    for (const [id, old] of jobs) {
      if (jobs.size <= mediaLimits.importsMax) break
      if (!isRunning(old)) jobs.delete(id)
    }
    return job
  }

  return {
    async upload(importer, { name, bytes, body }) {
      const job = begin(importer, name)
      const file = path.join(dir, `${job.status.id}.zip`)
      const remove = () => rm(file, { force: true })
      const here = (async () => {
        try {
          await checkSpace(deps, { bytes: bytes ?? 0, written: 0 })
          await receive(deps, { body, bytes: bytes ?? 0, file, job })
        } catch (error) {
          await remove()
          end(job, deps.clock(), error)
          throw error
        }
      })()
      job.finished = here.then(
        () => run(deps, { job, importer, openMedium: () => openZip(file), remove }),
        () => undefined,
      )
      await here
      return job.status
    },
    async importFolder(importer, folder) {
      const place = await mountedFolder(mountDir, folder)
      const job = begin(importer, folder)
      job.finished = run(deps, { job, importer, openMedium: () => openFolder(place) })
      return job.status
    },
    list: () => [...jobs.values()].map(({ status }) => status).toReversed(),
    status: (id) => jobOf(id).status,
    report(id, after, limit) {
      const { files } = jobOf(id)
      return { files: files.slice(after, after + limit), total: files.length }
    },
    async cancel(id) {
      const job = jobOf(id)
      job.stop.abort(givenUp())
      await job.finished
      return job.status
    },
    async [Symbol.asyncDispose]() {
      for (const job of jobs.values()) job.stop.abort(givenUp())
      await Promise.all([...jobs.values()].map(({ finished }) => finished))
    },
  }
}

const createJob = (importer: Importer, name: string, startedAt: number): Job => ({
  status: {
    id: randomUUID(),
    name,
    user: importer.uid,
    state: 'receiving',
    startedAt,
    received: 0,
    files: { done: 0, total: 0 },
    outcomes: {},
    studies: 0,
  },
  files: [],
  studies: new Map(),
  stop: new AbortController(),
  finished: Promise.resolve(),
})

async function checkSpace(
  { dir, freeSpace: { freeFractionMin, freeBytesMin } = storageLimits }: MediaDeps,
  { bytes, written }: { bytes: number; written: number },
): Promise<void> {
  if (bytes > mediaLimits.zipBytes) throw tooLarge()
  const { bavail, blocks, bsize } = await statfs(dir)
  // What is missing of the file, and its images in the archive beside it.
  const left = bavail * bsize - (bytes - written) - bytes
  if (left < Math.max(freeFractionMin * blocks * bsize, freeBytesMin)) {
    throw new ProtocolError('storage_full', 'there is no space for this medium')
  }
}

type Receiving = { body: AsyncIterable<Uint8Array>; bytes: number; file: string; job: Job }

/**
 * Others write to the disk meanwhile, and how long the body is may not have been said: so space is asked for with each
 * piece. The body is not told when reading it ends early: of a request that would be its connection, and so the answer.
 */
async function receive(
  deps: MediaDeps,
  { body, bytes, file, job: { status, stop } }: Receiving,
): Promise<void> {
  await using handle = await open(file, 'wx', 0o600).catch(noSpace)
  const chunks = body[Symbol.asyncIterator]()
  for (;;) {
    const next = await unlessAborted(chunks.next().catch(cutOff), stop.signal)
    if (next.done === true) return
    const received = status.received + next.value.byteLength
    await checkSpace(deps, { bytes: Math.max(bytes, received), written: status.received })
    await handle.writeFile(next.value).catch(noSpace)
    status.received = received
  }
}

function cutOff(cause: unknown): never {
  throw new ProtocolError('aborted', 'the upload was cut off', { cause })
}

/** There was space a moment before. */
function noSpace(cause: NodeJS.ErrnoException): never {
  if (cause.code !== 'ENOSPC' && cause.code !== 'EDQUOT') throw cause
  throw new ProtocolError('storage_full', 'there is no space for this medium', { cause })
}

/** What is waited for may never come. */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const stop = () => reject(signal.reason as Error)
  signal.addEventListener('abort', stop)
  if (signal.aborted) stop()
  try {
    return await Promise.race([work, aborted])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

const givenUp = () => new ProtocolError('aborted', 'the import was given up')
const tooLarge = () => new ProtocolError('too_large', 'the ZIP file is too large')

/** The real place of a folder that lies below the mounted ones, whatever links say. */
async function mountedFolder(mountDir: string | undefined, folder: string): Promise<string> {
  const missing = new ProtocolError('not_found', 'no such folder')
  const plain = safePath(folder)
  if (mountDir === undefined || plain === undefined) throw missing
  const root = await realpath(mountDir).catch(() => undefined)
  const place = await realpath(path.join(mountDir, plain)).catch(() => undefined)
  if (root === undefined || place === undefined || !place.startsWith(root + path.sep)) throw missing
  return place
}

type Run = {
  job: Job
  importer: Importer
  openMedium: () => Promise<Medium>
  /** Of what was uploaded. */
  remove?: () => Promise<void>
}

async function run(deps: MediaDeps, { job, importer, openMedium, remove }: Run): Promise<void> {
  const { status, stop } = job
  status.state = 'running'
  let failure: unknown
  try {
    await using medium = await openMedium()
    await importMedium(medium, {
      archive: deps.archive,
      name: status.name,
      signal: stop.signal,
      onListed: ({ files }) => void (status.files.total += files),
      onFile: (file) => take(job, file),
    })
  } catch (error) {
    failure = error
    const code = codeOf(error)
    if (!stop.signal.aborted && code === 'internal') {
      deps.log.error({ err: error }, 'an import failed')
    }
  }
  try {
    await remove?.()
    await writeAudit(deps, { job, importer, failure })
  } catch (error) {
    failure ??= error
  }
  end(job, deps.clock(), failure)
}

function take({ status, files, studies }: Job, file: FileReport): void {
  const { outcome, study, bytes = 0 } = file
  files.push(file)
  status.outcomes[outcome] = (status.outcomes[outcome] ?? 0) + 1
  // What the medium only names, or what could not be listed, is no file of it.
  const isListed = outcome !== 'missing' && outcome !== 'withdrawn'
  if (isListed) status.files.done++
  if (status.files.done > status.files.total) status.files.total = status.files.done
  if (outcome !== 'stored' || study === undefined) return
  const known = studies.get(study) ?? { instances: 0, bytes: 0 }
  studies.set(study, { instances: known.instances + 1, bytes: known.bytes + bytes })
  status.studies = studies.size
}

function end(job: Job, endedAt: number, failure: unknown): void {
  const { status, stop } = job
  status.endedAt = endedAt
  status.state = stop.signal.aborted ? 'cancelled' : failure === undefined ? 'done' : 'failed'
  if (status.state === 'failed') status.code = codeOf(failure)
}

/** 110107 Import (PS3.15 A.5.3.6): one record per study that came in, and one for the rest. */
async function writeAudit(
  { audit }: MediaDeps,
  { job, importer, failure }: Pick<Run, 'job' | 'importer'> & { failure: unknown },
): Promise<void> {
  const { status, studies } = job
  const entry = {
    event: 'import',
    outcome: failure === undefined ? 'success' : 'failure',
    organization: importer.organization,
    user: importer.uid,
    role: importer.role,
    source: importer.address,
    holder: importer.organization,
    ...(failure !== undefined && { code: codeOf(failure) }),
  } as const
  const named = [...studies].slice(0, mediaLimits.auditedStudiesMax)
  for (const [study, { instances, bytes }] of named) {
    await audit({ ...entry, study, instances, bytes, detail: 'medium' })
  }
  const { done, total } = status.files
  await audit({ ...entry, detail: `medium: ${done} of ${total} files, ${studies.size} studies` })
}
