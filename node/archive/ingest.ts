import { ProtocolError } from '#protocol/errors.ts'
import type { Sha256 } from '#protocol/ids.ts'
import { storageLimits } from '#protocol/limits.ts'
import type { Walk, Walker } from '../dicom/data-set.ts'
import type { Log } from '../log.ts'
import type { Declared, IngestSink, Origin, QuarantineReason, Stored } from './archive.ts'
import { createBuffers } from './buffers.ts'
import type { Buffers } from './buffers.ts'
import { mergePatient, patientOf } from './row-merge.ts'
import type { InstanceChange } from './row-merge.ts'
import type { StudyRow } from './catalog-rows.ts'
import type { Catalog } from './catalog.ts'
import { createFiling, filingRecord, identityOf, spanOf } from './filing.ts'
import type { Identity, InstanceHeader } from './filing.ts'
import { quarantineReason } from './intake-rules.ts'
import type { ArrivingPatients } from './intake-rules.ts'
import { createLocks } from './locks.ts'
import type { Locks } from './locks.ts'
import { encodeHeader } from './log-record.ts'
import { createPieceWriter } from './piece-writer.ts'
import type { PayloadDigests, PieceWriter } from './piece-writer.ts'
import type { Sequence } from './sequence.ts'
import type { ValueLog } from './value-log.ts'

export type IngestParts = {
  valueLog: Pick<ValueLog, 'append' | 'stream'>
  catalog: Pick<
    Catalog,
    'follow' | 'written' | 'study' | 'sop' | 'receivedInstance' | 'isCorrupt' | 'quarantined'
  >
  sequence: Sequence
  buffers: Buffers
  locks: Locks
  /** Patients of studies whose first instances are on their way into the catalog. */
  arriving: ArrivingPatients
  /** Instances that are safe in the log and on their way into the catalog. */
  coming: Set<string>
  createWalker: (transferSyntax: string, header: InstanceHeader) => Walker
  clock: () => number
  log: Log
  /** The catalog has it, so long after it was safe. */
  stored: (stored: Stored, agoMs: number) => void
  /** Whether it may ask for something that is done before it is acknowledged. */
  mayAsk: (identity: Identity) => boolean
  filed: (identity: Identity, header: InstanceHeader) => Promise<void>
}

/** What all that is under way has in common. */
export const createIngestState = (): Pick<
  IngestParts,
  'buffers' | 'locks' | 'arriving' | 'coming'
> => ({ buffers: createBuffers(), locks: createLocks(), arriving: new Map(), coming: new Set() })

/** Opens the way in for one data set. */
export function createSink(parts: IngestParts, declared: Declared, origin: Origin): IngestSink {
  const header: InstanceHeader = { ...declared, origin, receivedAt: parts.clock() }
  const { valueLog, buffers } = parts
  const pieces = createPieceWriter({ log: valueLog, buffers, header: encodeHeader(header) })
  const walker = parts.createWalker(declared.transferSyntax, header)
  let error: unknown
  let isOver = false

  /** Bytes that a refused data set still sends are read and dropped. */
  function refuse(cause: unknown): void {
    error = cause
    void pieces.abort().catch(() => {})
  }

  async function finish(): Promise<Stored> {
    if (isOver) throw new ProtocolError('aborted', 'this data set has ended already')
    isOver = true
    try {
      if (error !== undefined) throw error
      const walk = walker.end()
      const payload = await pieces.digests()
      if (walk.bytes !== payload.bytes) {
        throw new ProtocolError('instance_truncated', 'the walk missed a part of the data set')
      }
      const identity = identityOf(walk, declared)
      return await file(parts, { identity, header, walk, payload, pieces })
    } catch (cause) {
      await pieces.abort().catch(() => {})
      throw cause
    }
  }

  return {
    write(chunk) {
      if (error !== undefined || isOver) return true
      try {
        walker.write(chunk)
      } catch (cause) {
        refuse(cause)
        return true
      }
      return pieces.write(chunk)
    },
    drain: () => pieces.drain(),
    finish,
    async abort() {
      isOver = true
      await pieces.abort()
    },
  }
}

type Arrived = {
  identity: Identity
  header: InstanceHeader
  walk: Walk
  payload: PayloadDigests
  pieces: PieceWriter
}

/** Decides what becomes of a whole data set and makes it last. Two of one UID are taken one after the other. */
async function file(parts: IngestParts, arrived: Arrived): Promise<Stored> {
  const { identity, payload, pieces, header } = arrived
  const { study, series, sop } = identity
  const sha256 = payload.sha256.toString('hex') as Sha256
  if (parts.coming.has(sop)) await parts.catalog.written()
  using held = new DisposableStack()
  held.use(await parts.locks(sop))
  const facts = { study, series, sop, bytes: payload.bytes, sha256 }
  const known = knownAs(parts, sop, sha256)
  if (known !== undefined) {
    await pieces.abort()
    if (known.outcome === 'duplicate') await parts.filed(identity, header)
    return { ...facts, ...known }
  }
  const patient = patientOf(0, arrived.walk.attributes)
  const reason = quarantineReason(parts, { identity, header, sha256, patient })
  if (reason === undefined) held.use(holdPatient(parts, study, patient))
  const stored: Stored =
    reason === undefined
      ? { ...facts, outcome: 'stored' }
      : { ...facts, outcome: 'quarantined', reason }
  const change = await store(parts, arrived, reason)
  const following = follow(parts, { change, stored, until: held.move() })
  if (isPlain(parts, arrived, reason)) return stored
  await parts.catalog.written()
  await following
  if (reason === undefined) await parts.filed(identity, header)
  return stored
}

/** Nothing that comes next depends on it but its UID and its patient, which are held, and the catalog is not far behind. */
const isPlain = (
  parts: IngestParts,
  { walk, header, identity }: Arrived,
  reason: QuarantineReason | undefined,
): boolean =>
  reason === undefined &&
  walk.text === undefined &&
  parts.coming.size <= storageLimits.catalogBehindMax &&
  header.origin.kind !== 'release' &&
  !parts.mayAsk(identity)

type Following = { change: InstanceChange; stored: Stored; until: Disposable }

/** The log is what lasts: the catalog follows it, and what is held for the instance is held until it has. */
async function follow(
  { catalog, sequence, coming, clock, log, ...parts }: IngestParts,
  { change, stored, until }: Following,
): Promise<void> {
  coming.add(stored.sop)
  using _ = until
  const since = clock()
  try {
    await catalog.follow(change)
    parts.stored(stored, clock() - since)
  } catch (error) {
    log.error({ err: error }, 'nobody was told of an instance that was stored')
  } finally {
    coming.delete(stored.sop)
    sequence.settle(change.filing.copy ?? change.filing.seq)
  }
}

/** The same bytes again: acknowledged again, kept once (DQ-08). A damaged or evicted copy does not count. */
function knownAs(
  { catalog }: IngestParts,
  sop: string,
  sha256: Sha256,
): Pick<Stored, 'outcome' | 'reason'> | undefined {
  const known = catalog.sop(sop)
  if (known?.sha256 === sha256) {
    const isWanting = catalog.isCorrupt(sop) || catalog.receivedInstance(sop)?.evicted !== undefined
    return isWanting ? undefined : { outcome: 'duplicate' }
  }
  const kept = catalog.quarantined(sop, sha256)
  return kept && { outcome: 'quarantined', reason: kept.reason }
}

function holdPatient(
  { arriving }: IngestParts,
  study: string,
  patient: StudyRow['patient'],
): Disposable {
  const entry = arriving.get(study) ?? { patient, users: 0 }
  entry.patient = mergePatient(entry.patient, patient)
  entry.users++
  arriving.set(study, entry)
  return {
    [Symbol.dispose]() {
      if (--entry.users === 0) arriving.delete(study)
    },
  }
}

/** Durable when it resolves. */
async function store(
  { sequence, catalog }: IngestParts,
  { identity, header, walk, payload, pieces }: Arrived,
  reason: QuarantineReason | undefined,
): Promise<InstanceChange> {
  const seq = sequence.next()
  try {
    const first = catalog.sop(identity.sop) && catalog.receivedInstance(identity.sop)
    const filed = createFiling({ identity, header, walk, payload, seq, reason })
    // Bytes that come back take the place of what was lost: whatever was said of the instance stays.
    const filing =
      first === undefined || reason !== undefined
        ? filed
        : { ...filed, seq: first.seq, receivedAt: first.receivedAt, copy: seq }
    const { attributes } = walk
    const { chunks } = payload
    const appended = await pieces.append([filingRecord(filing, attributes, chunks)])
    const location = appended[0]?.location
    if (location === undefined) throw new ProtocolError('internal', 'nothing was appended')
    const span = spanOf(appended)
    return { kind: 'instance', filing, attributes, chunks, location, span }
  } catch (error) {
    sequence.settle(seq)
    throw error
  }
}
