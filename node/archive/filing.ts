import { canonicalJson } from '#protocol/canonical-json.ts'
import { ProtocolError } from '#protocol/errors.ts'
import { SeriesUid, SopUid, StudyUid } from '#protocol/ids.ts'
import type { Sha256 } from '#protocol/ids.ts'
import { storageLimits } from '#protocol/limits.ts'
import type { Walk, WalkedText } from '../dicom/data-set.ts'
import type { DicomJson } from '../dicom/dicom-json.ts'
import type { Declared, Evicted, Origin, QuarantineReason } from './archive.ts'
import { textOf } from './attribute-levels.ts'
import type { Change, Completion, Filing } from './catalog-rows.ts'
import { digestBytes } from './chunk-digests.ts'
import { createRecord } from './log-record.ts'
import type { NewRecord, RecordLocation } from './log-record.ts'
import type { Replayed } from './log-start.ts'
import type { Overlay } from './overlay.ts'
import type { PayloadDigests } from './piece-writer.ts'
import type { Appended } from './segment-writer.ts'

/** Header of a data set's own record: what was known before it came. */
export type InstanceHeader = Declared & { origin: Origin; receivedAt: number }

/** What a walked data set is called. UIDs may break the syntax: then it goes to quarantine under them. */
export type Identity = { sopClass: string; sop: SopUid; study: StudyUid; series: SeriesUid }

export function identityOf({ attributes }: Walk, declared: Declared): Identity {
  const uid = (tag: string): string => textOf(attributes, tag).replaceAll('\0', '')
  const identity = {
    sopClass: uid('00080016'),
    sop: uid('00080018') as SopUid,
    study: uid('0020000D') as StudyUid,
    series: uid('0020000E') as SeriesUid,
  }
  if (identity.sopClass === '' || identity.sop === '') {
    throw new ProtocolError('instance_malformed', 'the data set has no SOP class or instance UID')
  }
  if (identity.sopClass !== declared.sopClass || identity.sop !== declared.sopUid) {
    throw new ProtocolError('instance_mismatch', 'the data set is not the one that was announced')
  }
  return identity
}

/** DQ-11. Leading zeros occur in the field and are kept (PS3.5 §9.1). */
export const hasValidUids = ({ sop, study, series }: Identity): boolean =>
  SopUid.safeParse(sop).success &&
  StudyUid.safeParse(study).success &&
  SeriesUid.safeParse(series).success

type FilingParts = {
  identity: Identity
  header: InstanceHeader
  walk: Walk
  payload: PayloadDigests
  seq: number
  reason?: QuarantineReason | undefined
  at?: RecordLocation
}

export function createFiling(parts: FilingParts): Filing {
  const { identity, header, walk, payload, seq, reason, at } = parts
  return {
    kind: 'instance',
    seq,
    ...identity,
    transferSyntax: header.transferSyntax,
    bytes: payload.bytes,
    sha256: payload.sha256.toString('hex') as Sha256,
    chunks: payload.chunks.byteLength / digestBytes,
    headerBytes: walk.headerBytes,
    receivedAt: header.receivedAt,
    origin: header.origin,
    ...(reason !== undefined && { reason }),
    ...(walk.pixel !== undefined && { pixel: walk.pixel }),
    ...(walk.damaged === true && { damaged: true }),
    ...(walk.text !== undefined && { text: withoutCandidates(walk.text) }),
    ...(walk.findings !== undefined && { findings: walk.findings }),
    ...(at !== undefined && { at }),
  }
}

/** They follow from the bytes. */
function withoutCandidates(text: WalkedText): WalkedText {
  const { candidates: _, ...rest } = text
  return rest
}

export function filingRecord(filing: Filing, attributes: DicomJson, chunks: Buffer): NewRecord {
  const payload = Buffer.concat([chunks, Buffer.from(JSON.stringify(attributes))])
  if (payload.byteLength > storageLimits.recordPayloadBytes) {
    throw new ProtocolError('instance_too_complex', 'the attributes to be searched are too long')
  }
  return createRecord('filing', filing, payload)
}

/** Everything that is known of an instance whose bytes are elsewhere. */
export const tombstoneRecord = (
  filing: Filing & { evicted: Evicted },
  attributes: DicomJson,
  chunks: Buffer,
): NewRecord =>
  createRecord(
    'tombstone',
    filing,
    Buffer.concat([chunks, Buffer.from(JSON.stringify(attributes))]),
  )

export const completionRecord = (completion: Completion): NewRecord =>
  createRecord('filing', completion)

export const entryRecord = (seq: number, payload: Uint8Array): NewRecord =>
  createRecord('index-entry', { seq }, payload)

/** An overlay is its record's payload: it may name more instances than a header holds. */
export const overlayRecord = (overlay: Overlay): NewRecord =>
  createRecord('overlay', { seq: overlay.seq }, Buffer.from(canonicalJson(overlay)))

/** Where records that were appended together lie in the log. */
export function spanOf(appended: readonly Appended[]): Change['span'] {
  const first = appended[0]
  const last = appended.at(-1)
  if (first === undefined || last === undefined) {
    throw new ProtocolError('internal', 'nothing was appended')
  }
  const { location, end, chain } = last
  return { segment: location.segment, start: first.start, end, chain }
}

/**
 * What a record of the log means to the catalog. `orphan`: a filing without its data set, or a data set without its
 * filing; one of the two is damaged.
 */
export function changeOf(record: Replayed): Change | 'orphan' {
  const { span, location, instance } = record
  if (record.type === 'instance') return 'orphan'
  if (record.type === 'index-entry') {
    const { seq } = record.header as { seq: number }
    return { kind: 'entry', seq, location, sha256: record.sha256.toString('hex') as Sha256, span }
  }
  if (record.type === 'overlay') {
    const overlay = JSON.parse(record.payload.toString('utf8')) as Overlay
    return { kind: 'overlay', overlay, span }
  }
  if (record.type === 'tombstone') return changeOfFiling(record, location)
  if (record.type !== 'filing') return { kind: 'none', span }
  const header = record.header as Filing | Completion
  if (header.kind === 'complete') return { kind: 'complete', completion: header, span }
  if (header.at !== undefined) return changeOfFiling(record, header.at)
  // A data set of other bytes before it belongs to another filing.
  return instance?.sha256.toString('hex') === header.sha256
    ? changeOfFiling(record, instance.location)
    : 'orphan'
}

/** The change of an instance that lies there. */
export function changeOfFiling(
  { header, payload, span }: Replayed,
  location: RecordLocation,
): Extract<Change, { kind: 'instance' }> {
  const filing = header as Filing
  const chunkBytes = filing.chunks * digestBytes
  return {
    kind: 'instance',
    filing,
    attributes: JSON.parse(payload.toString('utf8', chunkBytes)) as DicomJson,
    chunks: payload.subarray(0, chunkBytes),
    location,
    span,
  }
}
