import type { SeriesUid, Sha256, SopUid, StudyUid } from '#protocol/ids.ts'
import type { PixelFacts, WalkedText } from '../dicom/data-set.ts'
import type { DicomJson } from '../dicom/dicom-json.ts'
import type { Finding } from '../dicom/quality.ts'
import type { Evicted, InstanceEntry, Origin, QuarantineReason } from './archive.ts'
import type { RecordLocation } from './log-record.ts'
import type { LogSpan } from './log-start.ts'
import type { Overlay } from './overlay.ts'
import type { StudyQuality } from './study-quality.ts'

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
  /** Of the first completion, 0 before it; and how many instances came later than that (DQ-18). */
  firstCompleteSeq: number
  late: number
  /** Highest number of an overlay on the study or on something in it; and of any that bears on it. 0: none does. */
  touchedSeq: number
  overlaySeq: number
  receivedAt: number
  lastReceivedAt: number
  device: string
  /** As they are shown. */
  attributes: DicomJson
  /** As they were received, where overlays show something else, and what is shown instead. */
  received?: DicomJson
  shown?: DicomJson
  /** Patients that the study was filed under before it was merged into another: it is found by these too. */
  also?: DicomJson[]
  /** Keys of all these patients, when there is more than the one that the attributes name. */
  patients?: string[]
  /** What tells one patient from another; absent while no instance has told it. */
  patient: { id?: Since; name?: Since; birthDate?: Since }
  quality?: StudyQuality
  modalities: string[]
  sopClasses: string[]
  series: number
  instances: number
  bytes: number
  /** How many of the instances have their bytes elsewhere; absent when none has. */
  away?: number
}

export type SeriesRow = {
  study: StudyUid
  series: SeriesUid
  firstSeq: number
  attributes: DicomJson
  received?: DicomJson
  shown?: DicomJson
  instances: number
  bytes: number
  away?: number
}

/** `attributes` are as received; catalog reads join what overlays show instead. */
export type InstanceRow = InstanceEntry & {
  seq: number
  /** Id of the device that sent it. */
  device?: string
  /** Number of the quarantine entry that this is a renamed copy of. */
  from?: number
  /** Why it was in quarantine before it was released under its own UIDs. */
  reason?: QuarantineReason
  /** Released from quarantine into a study of this patient, whoever its own attributes name. */
  adopted?: true
  /** Rejected, or a copy whose release was reverted: not there for anybody. */
  hidden?: true
  shown?: DicomJson
  /** Number of the record that holds it now, when that is not the first one. */
  copy?: number
  location: RecordLocation
  pixel?: PixelFacts
  /** Text that is not as declared, and what the rules of reception found. */
  text?: WalkedText
  findings?: Finding[]
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
  entry: Omit<InstanceRow, 'seq' | 'copy' | 'location'>
  origin: Origin
  location: RecordLocation
  /** Number of the overlay that released it; `filed`: under its own UIDs. */
  released?: number
  filed?: true
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
  /** Number of chunk digests that the payload begins with; the index attributes as JSON follow. */
  chunks: number
  headerBytes: number
  receivedAt: number
  origin: Origin
  reason?: QuarantineReason
  pixel?: PixelFacts
  text?: WalkedText
  findings?: Finding[]
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
  | { kind: 'overlay'; overlay: Overlay }
  | { kind: 'entry'; seq: number; location: RecordLocation; sha256: Sha256 }
  /** A record that says nothing to the catalog but where the log has come to. */
  | { kind: 'none' }
)

/** Of several records of one instance the one with the highest number is the one that counts. */
export const standingOf = ({ seq, copy }: { seq: number; copy?: number }): number => copy ?? seq

export const stateOf = (row: StudyRow): 'open' | 'complete' =>
  row.completeSeq > row.instanceSeq ? 'complete' : 'open'
export const changeSeq = (row: StudyRow): number =>
  Math.max(row.instanceSeq, row.completeSeq, row.overlaySeq)

/** A study of which nothing may be seen is not there for anybody, but its row keeps what was said of it. */
export const isVisible = (row: StudyRow): boolean => row.instances > 0

/** What is known of a study before its first instance. */
export const emptyStudy = (study: StudyUid): StudyRow => ({
  study,
  firstSeq: Number.MAX_SAFE_INTEGER,
  instanceSeq: 0,
  completeSeq: 0,
  firstCompleteSeq: 0,
  late: 0,
  touchedSeq: 0,
  overlaySeq: 0,
  receivedAt: Number.MAX_SAFE_INTEGER,
  lastReceivedAt: 0,
  device: '',
  attributes: {},
  patient: {},
  modalities: [],
  sopClasses: [],
  series: 0,
  instances: 0,
  bytes: 0,
})
