import { ProtocolError } from '#protocol/errors.ts'
import type { Sha256 } from '#protocol/ids.ts'
import type { Walk, Walker } from '../dicom/data-set.ts'
import type { Declared, IngestSink, Origin, QuarantineReason, Stored } from './archive.ts'
import type { Buffers } from './buffers.ts'
import { mergePatient, patientOf } from './row-merge.ts'
import type { Change, StudyRow } from './catalog-rows.ts'
import type { Catalog } from './catalog.ts'
import { createFiling, filingRecord, identityOf, spanOf } from './filing.ts'
import type { Identity, InstanceHeader } from './filing.ts'
import { quarantineReason } from './intake-rules.ts'
import type { ArrivingPatients } from './intake-rules.ts'
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
    'apply' | 'study' | 'sop' | 'receivedInstance' | 'isCorrupt' | 'quarantined'
  >
  sequence: Sequence
  buffers: Buffers
  locks: Locks
  /** Patients of studies whose first instances are on their way into the catalog. */
  arriving: ArrivingPatients
  createWalker: (transferSyntax: string, header: InstanceHeader) => Walker
  clock: () => number
  stored: (stored: Stored) => void
  /** An instance is there; what it asks for is done before it is acknowledged. */
  filed: (identity: Identity, header: InstanceHeader) => Promise<void>
}

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
      const payload = pieces.digests()
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
  using _ = await parts.locks(arrived.identity.sop)
  const { identity, payload, pieces } = arrived
  const sha256 = payload.sha256.toString('hex') as Sha256
  const { study, series, sop } = identity
  const facts = { study, series, sop, bytes: payload.bytes, sha256 }
  const known = knownAs(parts, sop, sha256)
  if (known !== undefined) {
    await pieces.abort()
    if (known.outcome === 'duplicate') await parts.filed(identity, arrived.header)
    return { ...facts, ...known }
  }
  const patient = patientOf(0, arrived.walk.attributes)
  const { header } = arrived
  const reason = quarantineReason(parts, { identity, header, sha256, patient })
  using __ = reason === undefined ? holdPatient(parts, study, patient) : undefined
  await store(parts, arrived, reason)
  const stored: Stored =
    reason === undefined
      ? { ...facts, outcome: 'stored' }
      : { ...facts, outcome: 'quarantined', reason }
  parts.stored(stored)
  if (reason === undefined) await parts.filed(identity, header)
  return stored
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

async function store(
  { sequence, catalog }: IngestParts,
  { identity, header, walk, payload, pieces }: Arrived,
  reason: QuarantineReason | undefined,
): Promise<void> {
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
    const change: Change = { kind: 'instance', filing, attributes, chunks, location, span }
    await catalog.apply(change)
  } finally {
    sequence.settle(seq)
  }
}
