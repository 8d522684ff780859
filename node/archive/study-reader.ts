import { hash } from 'node:crypto'
import { ProtocolError } from '#protocol/errors.ts'
import type { OrganizationOid, SeriesUid, Sha256, SopUid, StudyUid } from '#protocol/ids.ts'
import { storageLimits } from '#protocol/limits.ts'
import type { TextJudgement } from '../dicom/charsets.ts'
import type { RandomAccess } from '../dicom/data-set.ts'
import type { DicomJson } from '../dicom/dicom-json.ts'
import { readRewritten, rewriteDataSet } from '../dicom/rewrite.ts'
import type { Log } from '../log.ts'
import type {
  ByteRange,
  CorrectedInstance,
  InstanceEntry,
  SeriesEntry,
  StudyReader,
} from './archive.ts'
import {
  availabilityOf,
  element,
  instanceAvailability,
  instancesInSeries,
} from './attribute-levels.ts'
import type { InstanceRow, SeriesRow } from './catalog-rows.ts'
import type { Catalog } from './catalog.ts'
import { modificationsOf } from './modifications.ts'
import { changesOf } from './overlay-view.ts'
import type { RecordLocation } from './log-record.ts'
import type { Repair } from './repair.ts'
import { readChunkBytes } from './salvage.ts'
import type { ValueLog } from './value-log.ts'

export type ReaderParts = {
  valueLog: Pick<ValueLog, 'read'>
  catalog: Catalog
  holder: OrganizationOid
  log: Log
  repair: Pick<Repair, 'instance'>
  /** Bytes that were read. */
  count: (bytes: number) => void
  readHeader: (
    data: RandomAccess,
    transferSyntax: string,
    headerBytes: number,
    known?: TextJudgement,
  ) => Promise<DicomJson>
}

const chunkBytes = storageLimits.chunkBytes
const digestBytes = 32

/** Reads one study. Whoever makes it has seen the proof that it may be read. */
export function createStudyReader(parts: ReaderParts, study: StudyUid): StudyReader {
  const { catalog, holder } = parts
  let isClosed = false

  function find(sop: SopUid): InstanceRow {
    if (isClosed) throw new ProtocolError('aborted', 'the study was closed')
    const row = catalog.instance(sop)
    if (row?.study !== study) throw new ProtocolError('not_found', 'no such instance in this study')
    checkHere(row)
    return row
  }

  async function* rows(filter: { series?: SeriesUid; sop?: SopUid }): AsyncGenerator<InstanceRow> {
    if (isClosed) throw new ProtocolError('aborted', 'the study was closed')
    if (filter.sop === undefined) {
      yield* catalog.instancesOf(study, filter.series)
      return
    }
    const row = catalog.instance(filter.sop)
    const isIn = filter.series === undefined || row?.series === filter.series
    if (row?.study === study && isIn) yield row
  }

  return {
    study,
    holder,
    series: async () => (await catalog.seriesOf(study)).map(seriesEntry),
    async instances(series) {
      const entries: InstanceEntry[] = []
      for await (const row of rows(series === undefined ? {} : { series })) {
        entries.push(instanceEntry(row))
      }
      return entries
    },
    async instance(sop) {
      for await (const row of rows({ sop })) return instanceEntry(row)
      return undefined
    },
    read(sop, range, signal) {
      const row = find(sop)
      return readRange(parts, row, range ?? { offset: 0, length: row.bytes }, signal)
    },
    async metadata(filter) {
      const headers: DicomJson[] = []
      for await (const row of rows(filter)) {
        checkHere(row)
        const data = randomAccess(parts, row)
        const known = knownText(row, parts.catalog)
        const header = await parts.readHeader(data, row.transferSyntax, row.headerBytes, known)
        headers.push({ ...header, ...changesIn(parts.catalog, row) })
      }
      return headers
    },
    corrected: (sop) => correctedInstance(parts, find(sop)),
    chunks: async (sop) => chunkDigests(parts, find(sop)).map(hex),
    async [Symbol.asyncDispose]() {
      isClosed = true
    },
  }
}

/** The instance with its corrections written into it, and the values that they replaced (PS3.3 §C.12.1.1.9). */
async function correctedInstance(parts: ReaderParts, row: InstanceRow): Promise<CorrectedInstance> {
  const { catalog, holder } = parts
  const data = randomAccess(parts, row)
  const modifications = modificationsOf(catalog, row, holder)
  const rewritten = await rewriteDataSet(data, row, modifications)
  const { transferSyntax, bytes } = rewritten
  return { transferSyntax, bytes, read: () => readRewritten(rewritten) }
}

function checkHere({ evicted }: InstanceRow): void {
  if (evicted === undefined) return
  throw new ProtocolError('instance_evicted', `the bytes were moved and are at ${evicted.to}`)
}

/** How its text is read: as its study's, where it alone could not tell. */
function knownText({ study, text }: InstanceRow, catalog: Catalog): TextJudgement | undefined {
  if (text?.source !== 'doubtful') return text
  const joint = catalog.study(study)?.quality?.text?.judgement
  return joint === undefined || joint.source === 'doubtful' ? text : joint
}

/** What overlays show instead of the bytes. */
function changesIn(catalog: Catalog, row: InstanceRow): DicomJson {
  if (row.overlay === undefined) return {}
  return changesOf(row, catalog.study(row.study), catalog.series(row.study, row.series))
}

const hex = (digest: Buffer): Sha256 => digest.toString('hex') as Sha256

const seriesEntry = ({ study, series, instances, attributes, away }: SeriesRow): SeriesEntry => ({
  study,
  series,
  instances,
  attributes: {
    ...attributes,
    [instanceAvailability]: availabilityOf(away !== undefined),
    [instancesInSeries]: element('IS', instances),
  },
})

export function instanceEntry(row: InstanceRow): InstanceEntry {
  const { seq: _, copy: __, location: ___, pixel: ____, device: _____, ...rest } = row
  const { from: ______, adopted: _______, shown: ________, reason: _________, ...plain } = rest
  const { text: __________, findings: ___________, ...entry } = plain
  return entry
}

/** The digests that the chunks of an instance must have; they themselves must have the instance's root. */
function chunkDigests(parts: ReaderParts, row: InstanceRow): Buffer[] {
  const digests = parts.catalog.chunks(row.sop)
  if (digests === undefined || hash('sha256', digests) !== row.sha256) {
    throw new ProtocolError('storage_corrupt', 'the chunk digests of an instance were altered')
  }
  const count = digests.byteLength / digestBytes
  return Array.from({ length: count }, (_, i) =>
    digests.subarray(i * digestBytes, (i + 1) * digestBytes),
  )
}

/** Bytes of a range, chunk by chunk; while one is handed out the next is read. */
async function* readRange(
  parts: ReaderParts,
  row: InstanceRow,
  { offset, length }: ByteRange,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  if (offset < 0 || length < 0 || offset + length > row.bytes) {
    throw new ProtocolError('bad_request', 'the range is outside the instance')
  }
  if (length === 0) return
  const digests = chunkDigests(parts, row)
  const end = offset + length
  const last = Math.floor((end - 1) / chunkBytes)
  const first = Math.floor(offset / chunkBytes)
  let next: Promise<Buffer> | undefined = readChunk(parts, row, { index: first, digests })
  for (let index = first; next !== undefined; index++) {
    if (signal?.aborted === true) throw new ProtocolError('aborted', 'reading was given up')
    const chunk: Buffer = await next
    next = index < last ? readChunk(parts, row, { index: index + 1, digests }) : undefined
    // Whoever stops early never asks for it.
    next?.catch(() => {})
    const start = index * chunkBytes
    yield chunk.subarray(Math.max(0, offset - start), Math.min(chunk.byteLength, end - start))
  }
}

type ChunkOf = { index: number; digests: readonly Buffer[] }

/** One chunk, compared with its digest. It may have moved since the row was read, and what is damaged is repaired. */
async function readChunk(parts: ReaderParts, row: InstanceRow, of: ChunkOf): Promise<Buffer> {
  const current = () => parts.catalog.receivedInstance(row.sop) ?? row
  const chunk =
    (await tryChunk(parts, row.location, of)) ??
    (await tryChunk(parts, current().location, of)) ??
    ((await parts.repair.instance(row.sop)) && (await tryChunk(parts, current().location, of)))
  if (chunk instanceof Buffer) return chunk
  throw new ProtocolError('storage_corrupt', 'the bytes of an instance were altered')
}

async function tryChunk(
  { valueLog, log, count }: ReaderParts,
  location: RecordLocation,
  { index, digests }: ChunkOf,
): Promise<Buffer | undefined> {
  const { segment, offset } = location
  let problem: unknown
  try {
    const chunk = await readChunkBytes(valueLog, location, index)
    count(chunk.byteLength)
    if (digests[index]?.compare(hash('sha256', chunk, 'buffer')) === 0) return chunk
  } catch (error) {
    problem = error
  }
  log.error({ segment, offset, chunk: index, err: problem }, 'a part of an instance was not read')
  return undefined
}

const cachedChunks = 4

/** Small reads of one instance: chunks that were verified are kept for the next one. */
export function randomAccess(parts: ReaderParts, row: InstanceRow): RandomAccess {
  const digests = chunkDigests(parts, row)
  const cache = new Map<number, Buffer>()

  async function chunk(index: number): Promise<Buffer> {
    const found = cache.get(index) ?? (await readChunk(parts, row, { index, digests }))
    cache.set(index, found)
    for (const oldest of cache.keys()) {
      if (cache.size <= cachedChunks) break
      cache.delete(oldest)
    }
    return found
  }

  return {
    bytes: row.bytes,
    async read(offset, length) {
      const end = Math.min(offset + length, row.bytes)
      const parts: Buffer[] = []
      for (let at = offset; at < end;) {
        const index = Math.floor(at / chunkBytes)
        const start = at - index * chunkBytes
        const part = (await chunk(index)).subarray(start, Math.min(chunkBytes, start + end - at))
        parts.push(part)
        at += part.byteLength
      }
      return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts)
    },
  }
}
