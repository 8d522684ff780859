import type { SeriesUid, Sha256, SopUid, StudyUid } from '#protocol/ids.ts'
import type { PixelFacts } from '../dicom/data-set.ts'
import type { DicomJson } from '../dicom/dicom-json.ts'
import type { Evicted, InstanceEntry, Origin, QuarantineReason } from './archive.ts'
import type { RecordLocation } from './log-record.ts'
import type { LogSpan } from './log-start.ts'

/** What the catalog has taken in altogether. */
export type Ledger = {
  seq: number
  studies: number
  instances: number
  bytes: number
  quarantined: number
}
export const emptyLedger: Ledger = { seq: 0, studies: 0, instances: 0, bytes: 0, quarantined: 0 }

/** A value with the number of the record that gave it: of several the earliest stands, in whatever order they come. */
export type Since = { seq: number; value: string }

export type StudyRow = {
  study: StudyUid
  /** Of the record whose attributes stand. */
  firstSeq: number
  /** Of the newest instance, the newest completion, and the newer of both. */
  instanceSeq: number
  completeSeq: number
  receivedAt: number
  lastReceivedAt: number
  device: string
  attributes: DicomJson
  /** What tells one patient from another; absent while no instance has told it. */
  patient: { id?: Since; name?: Since; birthDate?: Since }
  modalities: string[]
  series: number
  instances: number
  bytes: number
}

export type SeriesRow = {
  study: StudyUid
  series: SeriesUid
  firstSeq: number
  attributes: DicomJson
  instances: number
  bytes: number
}

export type InstanceRow = InstanceEntry & {
  seq: number
  /** Number of the record that holds it now, when that is not the first one. */
  copy?: number
  location: RecordLocation
  pixel?: PixelFacts
}

/** By SOP Instance UID. */
export type SopRow = {
  study: StudyUid
  series: SeriesUid
  sha256: Sha256
  seq: number
  copy?: number
}

export type QuarantineRow = {
  seq: number
  copy?: number
  reason: QuarantineReason
  entry: InstanceEntry
  origin: Origin
  location: RecordLocation
}

export type EntryRow = { location: RecordLocation; sha256: Sha256 }

/** Header of the record that files an instance: the one source of its catalog rows. */
export type Filing = {
  kind: 'instance'
  seq: number
  study: StudyUid
  series: SeriesUid
  sop: SopUid
  sopClass: string
  transferSyntax: string
  bytes: number
  sha256: Sha256
  chunksRoot: Sha256
  /** Number of chunk digests that the payload begins with; the index attributes as JSON follow. */
  chunks: number
  headerBytes: number
  receivedAt: number
  origin: Origin
  reason?: QuarantineReason
  pixel?: PixelFacts
  damaged?: true
  /**
   * This record replaces an earlier one of the same instance: a repaired or compacted copy, or an eviction. Everything
   * else is as the first one said it; of several the highest number stands.
   */
  copy?: number
  /** Only the facts are kept here, in a tombstone; the bytes are elsewhere. */
  evicted?: Evicted
  /** Where the data set lies; absent when it is the record before this one. */
  at?: RecordLocation
}

/** Header of the record that says a study is complete. */
export type Completion = { kind: 'complete'; seq: number; study: StudyUid; at: number }

/** One thing the catalog has to take in, as the log tells it. */
export type Change = { span: LogSpan } & (
  | {
      kind: 'instance'
      filing: Filing
      attributes: DicomJson
      chunks: Buffer
      location: RecordLocation
    }
  | { kind: 'complete'; completion: Completion }
  | { kind: 'entry'; seq: number; location: RecordLocation; sha256: Sha256 }
  /** A record that says nothing to the catalog but where the log has come to. */
  | { kind: 'none' }
)

/** Of several records of one instance the one with the highest number is the one that counts. */
export const standingOf = ({ seq, copy }: { seq: number; copy?: number }): number => copy ?? seq

export const stateOf = (row: StudyRow): 'open' | 'complete' =>
  row.completeSeq > row.instanceSeq ? 'complete' : 'open'
export const changeSeq = (row: StudyRow): number => Math.max(row.instanceSeq, row.completeSeq)
