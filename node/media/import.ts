import { codeOf, ProtocolError, type ErrorCode } from '#protocol/errors.ts'
import type { SopUid, StudyUid } from '#protocol/ids.ts'
import { instanceLimits, mediaLimits } from '#protocol/limits.ts'
import type { Archive, Declared, QuarantineReason, Stored } from '../archive/archive.ts'
import { completed, readFileMeta } from '../dicom/part10.ts'
import { readDirectory } from './directory.ts'
import { UnreadableError } from './medium.ts'
import type { MediaFile, Medium, RefusalReason } from './medium.ts'

/** What became of one file of a medium. */
export type FileReport = {
  path: string
  outcome: 'stored' | 'duplicate' | 'quarantined' | 'refused' | 'missing' | 'withdrawn' | 'no-dicom'
  reason?: QuarantineReason | RefusalReason | ErrorCode
  study?: StudyUid
  sop?: SopUid
  bytes?: number
}

export type ImportParts = {
  archive: Pick<Archive, 'ingest'>
  /** Name of the medium, for the origin of its objects. */
  name: string
  onListed: (found: { files: number }) => void
  onFile: (report: FileReport) => void
  signal: AbortSignal
}

/**
 * Takes in everything that a medium holds: what its DICOMDIR names, then what it does not name. Each file stands or
 * falls alone; only a full or broken disk ends the import.
 */
export async function importMedium(medium: Medium, parts: ImportParts): Promise<void> {
  const { onListed, onFile, signal } = parts
  const files = new Map<string, MediaFile>()
  for await (const entry of medium.entries(signal)) {
    if (entry.kind === 'file') files.set(entry.file.path, entry.file)
    else onFile({ path: entry.path, outcome: 'refused', reason: entry.reason })
  }
  onListed({ files: files.size })
  const order: MediaFile[] = []
  for (const directory of [...files.values()].filter(isDirectory)) {
    const { listed, reports } = await readListed(directory, files, signal)
    for (const report of reports) onFile(report)
    for (const file of listed) if (files.delete(file.path)) order.push(file)
    files.delete(directory.path)
  }
  await inParallel([...order, ...files.values()], signal, async (file) => {
    onFile({ path: file.path, ...(await importFile(file, parts)) })
  })
}

const isDirectory = ({ path }: MediaFile): boolean => /(^|\/)DICOMDIR(\.|$)/i.test(path)

type Listed = { listed: MediaFile[]; reports: FileReport[] }

/** The files that a DICOMDIR names, in its order, and what is wrong with its records. */
async function readListed(
  directory: MediaFile,
  files: Map<string, MediaFile>,
  signal: AbortSignal,
): Promise<Listed> {
  const { path } = directory
  const refused = (reason: ErrorCode | RefusalReason): Listed => ({
    listed: [],
    reports: [{ path, outcome: 'refused', reason }],
  })
  if (directory.bytes > mediaLimits.directoryBytes) return refused('too_large')
  const base = path.slice(0, path.lastIndexOf('/') + 1)
  const find = createFinder(files)
  const result: Listed = { listed: [], reports: [] }
  try {
    const { records, problem } = readDirectory(await readWhole(directory, signal))
    if (problem !== undefined) result.reports.push({ path, outcome: 'refused', reason: problem })
    for (const { fileId, isInactive } of records) {
      const named = base + fileId.join('/')
      const file = find(named)
      if (file === undefined) result.reports.push({ path: named, outcome: 'missing' })
      else if (!isInactive) result.listed.push(file)
      else if (files.delete(file.path)) {
        result.reports.push({ path: named, outcome: 'withdrawn' })
      }
    }
    return result
  } catch (error) {
    signal.throwIfAborted()
    const reason = reasonOf(error)
    if (reason === 'internal') throw error
    // What it names is found without it.
    return refused(reason)
  }
}

/** ISO 9660 knows no small letters and appends a dot or a version. Only files that were listed can be found. */
function createFinder(files: Map<string, MediaFile>): (path: string) => MediaFile | undefined {
  const plain = (path: string): string => path.toUpperCase().replace(/;\d+$/, '').replace(/\.$/, '')
  const byName = new Map([...files.values()].map((file) => [plain(file.path), file]))
  return (path) => files.get(path) ?? byName.get(plain(path))
}

async function readWhole(file: MediaFile, signal: AbortSignal): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let bytes = 0
  for await (const part of file.read(signal)) {
    bytes += part.byteLength
    if (bytes > mediaLimits.directoryBytes) {
      throw new ProtocolError('too_large', 'the DICOMDIR is too large')
    }
    parts.push(part)
  }
  return Buffer.concat(parts)
}

async function inParallel(
  files: readonly MediaFile[],
  signal: AbortSignal,
  run: (file: MediaFile) => Promise<void>,
): Promise<void> {
  const rest = files.values()
  let isOver = false
  const workers = Array.from({ length: mediaLimits.parallelFiles }, async () => {
    try {
      for (const file of rest) {
        signal.throwIfAborted()
        if (isOver) return
        await run(file)
      }
    } catch (error) {
      isOver = true
      throw error
    }
  })
  // The medium is closed only when nobody reads it any more.
  await Promise.allSettled(workers)
  await Promise.all(workers)
}

type Outcome = Omit<FileReport, 'path'>

async function importFile(file: MediaFile, parts: ImportParts): Promise<Outcome> {
  if (file.bytes > mediaLimits.fileBytes) return { outcome: 'refused', reason: 'too_large' }
  const body = file.read(parts.signal)[Symbol.asyncIterator]()
  try {
    const begun = await beginFile(body)
    if (begun === undefined) return { outcome: 'no-dicom' }
    return outcomeOf(await storeDataSet({ ...begun, body, file }, parts))
  } catch (error) {
    parts.signal.throwIfAborted()
    const reason = reasonOf(error)
    if (reason === 'internal' || reason.startsWith('storage_')) throw error
    return { outcome: 'refused', reason }
  } finally {
    await body.return?.()
  }
}

const reasonOf = (error: unknown): ErrorCode | RefusalReason =>
  error instanceof UnreadableError ? 'unreadable' : codeOf(error)

const outcomeOf = ({ outcome, reason, study, sop, bytes }: Stored): Outcome => ({
  outcome,
  ...(reason !== undefined && { reason }),
  study,
  sop,
  bytes,
})

/** Basic Directory IOD: a DICOMDIR under another name. */
const directoryClass = '1.2.840.10008.1.3.10'

type Begun = { declared: Declared; begin: Uint8Array }

/** Reads as far as the data set; nothing for what is no DICOM file or holds no instance. */
async function beginFile(body: AsyncIterator<Uint8Array>): Promise<Begun | undefined> {
  const held: Uint8Array[] = []
  let length = 0
  let isWhole = false
  while (!isWhole && length < instanceLimits.fileMetaBytes) {
    const next = await body.next()
    isWhole = next.done === true
    if (next.done === true) break
    held.push(next.value)
    length += next.value.byteLength
  }
  const head = Buffer.concat(held)
  const meta = fileMeta(head)
  if (meta === undefined) return undefined
  const { dataSetOffset, ...declared } = meta
  if (declared.sopClass === '' || declared.sopUid === '') {
    if (!isMarked(head)) return undefined
    throw new ProtocolError('instance_malformed', 'the file does not say what it is')
  }
  if (declared.sopClass === directoryClass) return undefined
  return { declared, begin: head.subarray(dataSetOffset) }
}

/** A file with the mark of DICOM that cannot be read is refused; one without it is something else. */
function fileMeta(head: Buffer) {
  try {
    const meta = readFileMeta(head, true)
    return meta && completed(meta, head)
  } catch (error) {
    if (isMarked(head)) throw error
    if (codeOf(error).startsWith('instance_')) return undefined
    throw error
  }
}

const isMarked = (head: Buffer): boolean => head.toString('latin1', 128, 132) === 'DICM'

type DataSet = Begun & { body: AsyncIterator<Uint8Array>; file: MediaFile }

async function storeDataSet(
  { declared, begin, body, file }: DataSet,
  { archive, name }: ImportParts,
): Promise<Stored> {
  const sink = await archive.ingest(declared, { kind: 'media', path: `${name}/${file.path}` })
  try {
    if (begin.byteLength > 0 && !sink.write(begin)) await sink.drain()
    for (let next = await body.next(); next.done !== true; next = await body.next()) {
      if (!sink.write(next.value)) await sink.drain()
    }
    return await sink.finish()
  } catch (error) {
    await sink.abort()
    throw error
  }
}
