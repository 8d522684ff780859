import type { VerifiedCorrection, VerifiedGrant, VerifiedSearch } from '#protocol/authorize.ts'
import type { StudyFacts } from '#protocol/authorize.ts'
import type { ProtocolError } from '#protocol/errors.ts'
import type { OrganizationOid, SeriesUid, Sha256, SopUid, StudyUid } from '#protocol/ids.ts'
import type { StudyRecord } from '#protocol/study.ts'
import type { Compacted } from './compaction.ts'
import type { Retained } from './retention.ts'
import type { ScrubStatus, ScrubSummary } from './scrub.ts'
import type { DicomJson } from '../dicom/dicom-json.ts'
import type { CyrillicEncoding } from '../dicom/cyrillic.ts'
import type { Attention, Reading, StudyFindings } from './attention.ts'
import type { Duplicates } from './duplicates.ts'
import type { Overlay, OverlayRequest } from './overlay.ts'

/** Where an instance came from; kept in its log record. */
export type Origin =
  | {
      kind: 'dimse'
      callingAe: string
      calledAe: string
      address: string
      association: string
      /** Id of the registered device; absent for an unknown caller, whose objects are quarantined. */
      device?: string
    }
  | { kind: 'stow'; user: string; address: string }
  | { kind: 'media'; path: string }
  | { kind: 'peer'; holder: OrganizationOid }
  /** A copy under other UIDs of the quarantine entry with that number. */
  | { kind: 'release'; entry: number }

/** What the sender said before the data set came; a data set that says otherwise is refused (`instance_mismatch`). */
export type Declared = {
  sopClass: string
  sopUid: string
  transferSyntax: string
}

export type QuarantineReason = 'unknown-device' | 'uid-conflict' | 'patient-conflict' | 'uid-syntax'

export type Stored = {
  outcome: 'stored' | 'duplicate' | 'quarantined'
  reason?: QuarantineReason
  study: StudyUid
  series: SeriesUid
  sop: SopUid
  bytes: number
  sha256: Sha256
}

/**
 * Takes one data set in, byte for byte. `write` never waits and never throws; it copies, so the caller may reuse its
 * buffer. When it returns false the caller stops reading its socket until `drain()` resolves. `finish` resolves after
 * the record is synced; it throws `instance_*`, `storage_full`, `storage_failed`, and then nothing is kept.
 */
export type IngestSink = {
  write(chunk: Uint8Array): boolean
  drain(): Promise<void>
  finish(): Promise<Stored>
  abort(): Promise<void>
}

export type InstanceEntry = {
  study: StudyUid
  series: SeriesUid
  sop: SopUid
  sopClass: string
  transferSyntax: string
  /** Size and digest of the data set exactly as received: SHA-256 over the SHA-256 of its chunks. */
  bytes: number
  sha256: Sha256
  /** Offset of the Pixel Data element's tag; `bytes` when there is none. */
  headerBytes: number
  receivedAt: number
  /** Index attributes, decoded, in the DICOM JSON model. */
  attributes: DicomJson
  /** Well-formed, but its pixel data do not fit its own description (DQ-16): never shown as genuine. */
  damaged?: true
  /** The bytes are not here any more: another verified copy exists there. */
  evicted?: Evicted
  /** Number of the newest overlay that bears on it: the attributes are not all as received. */
  overlay?: number
}
/** Who holds the other copy (an organization's OID or an AE title), and since when this archive has none. */
export type Evicted = { to: string; at: number }

export type SeriesEntry = {
  study: StudyUid
  series: SeriesUid
  instances: number
  attributes: DicomJson
}

/** What is known of a study as a whole. */
export type StudyEntry = {
  attributes: DicomJson
  /** Attributes of patients that were merged into the present one: the study is found by them too. */
  also: readonly DicomJson[]
}

/** A study that may be read: local (from the archive) or another organization's (`exchange/fetch`). */
export type StudyReader = AsyncDisposable & {
  readonly study: StudyUid
  readonly holder: OrganizationOid
  /** Absent where only its series and instances are known. */
  about?(): Promise<StudyEntry>
  series(): Promise<SeriesEntry[]>
  instances(series?: SeriesUid): Promise<InstanceEntry[]>
  instance(sop: SopUid): Promise<InstanceEntry | undefined>
  /**
   * The data set's bytes. Every 256 KiB chunk is compared with its digest before a byte of it is handed out. What is
   * handed out is the caller's own: nobody else looks at that memory.
   */
  read(sop: SopUid, range?: ByteRange, signal?: AbortSignal): AsyncIterable<Uint8Array>
  /** Full DICOM JSON of each instance without bulk values (PS3.18 F). */
  metadata(filter: { series?: SeriesUid; sop?: SopUid }): Promise<DicomJson[]>
  /** The instance with its corrections written into it; absent where the originals are another organization's. */
  corrected?(sop: SopUid): Promise<CorrectedInstance>
  /** SHA-256 of each 256 KiB chunk of an instance. */
  chunks(sop: SopUid): Promise<Sha256[]>
}
/** A data set that says what is shown, with Original Attributes Sequence; its pixels are those of the original. */
export type CorrectedInstance = {
  transferSyntax: string
  bytes: number
  read(): AsyncIterable<Uint8Array>
}
export type ByteRange = { offset: number; length: number }

/** Level and keys of a search; keys are DICOM tags `GGGGEEEE`, values as the client wrote them (PS3.4 C.2.2.2). */
export type Query = {
  level: 'patient' | 'study' | 'series' | 'instance'
  match: Record<string, string[]>
  /** Limits to one study / series (hierarchical QIDO). */
  study?: StudyUid
  series?: SeriesUid
  limit: number
  offset: number
}
export type QueryResult = {
  /** In a stable total order: newest study first, then UIDs. */
  matches: DicomJson[]
  /** More exist beyond `offset + limit`. */
  more: boolean
}

export type QuarantineEntry = {
  id: string
  reason: QuarantineReason
  sop: SopUid
  study: StudyUid
  series: SeriesUid
  bytes: number
  sha256: Sha256
  receivedAt: number
  origin: Origin
  attributes: DicomJson
  /** Whom the object and its study name, when that is why it is here. */
  patients?: { received: Person; study: Person }
}
export type Person = { id: string; name: string; birthDate: string }

export type OverlayEntry = Overlay & { revertedBy?: number }
export type OverlayFilter = {
  study?: StudyUid
  patient?: { id: string; issuer: string }
  kind?: Overlay['kind']
  /** The one with that number. */
  number?: number
  limit: number
  offset: number
}

export type ArchiveEvent =
  /** Damage was found, or put right: an instance, a record of the log (no study), or rows of the catalog. */
  | {
      kind: 'integrity'
      finding: 'damaged' | 'repaired' | 'catalog-repaired'
      study?: StudyUid
      sop?: SopUid
      segment?: number
      rows?: number
    }
  /** Bytes of so many instances of a study left; the places named have them. */
  | { kind: 'moved'; study: StudyUid; instances: number; bytes: number; to: string[] }
  | { kind: 'instance-stored'; study: StudyUid; sop: SopUid }
  /** `late`: so many of its instances came after it had been complete before (DQ-18). */
  | { kind: 'study-complete'; study: StudyUid; late: number }
  /** A study that was complete receives more. */
  | { kind: 'study-reopened'; study: StudyUid }
  | { kind: 'overlay'; overlay: Overlay }

export type Archive = AsyncDisposable & {
  /** Resolves when the disk or the catalog failed for good: everything is refused, and the process stops. */
  readonly failed: Promise<ProtocolError>
  ingest(declared: Declared, origin: Origin): Promise<IngestSink>
  /** The only way to image data. Throws `not_found` for a study that is not here. */
  open(grant: VerifiedGrant): Promise<StudyReader>
  search(search: VerifiedSearch, query: Query): Promise<QueryResult>
  /**
   * Reads an instance from the disk whole and compares every chunk with its digest; nothing of it is handed out.
   * `undefined`: it is not here, or in quarantine.
   */
  verify(sop: SopUid): Promise<{ study: StudyUid; sopClass: string; isIntact: boolean } | undefined>
  /** Whether it is here, and not in quarantine. */
  has(sop: SopUid): boolean
  /** Its source says that nothing more will come: the study is complete without a time of quiet. */
  complete(study: StudyUid): Promise<void>
  /** For `authorize`: what is known of a study without opening it. */
  facts(study: StudyUid): Promise<StudyFacts | undefined>
  /** For the index log. */
  record(study: StudyUid): Promise<StudyRecord | undefined>
  /** Study UIDs changed after a position, for the publisher; positions only grow. */
  changes(after: number, limit: number): Promise<{ position: number; study: StudyUid }[]>
  quarantine(search: VerifiedSearch): Promise<QuarantineEntry[]>
  /** Changes what is shown; synced before it resolves. A release may take several overlays. */
  overlay(proof: VerifiedCorrection, request: OverlayRequest): Promise<Overlay[]>
  /** What was changed, newest first, in force or not; rejections among it, which nothing else shows. */
  overlays(proof: VerifiedCorrection, filter: OverlayFilter): Promise<OverlayEntry[]>
  /** What the rules of reception found, and which studies need somebody to correct them. */
  attention(proof: VerifiedCorrection, page: { after?: string; limit: number }): Promise<Attention>
  findings(proof: VerifiedCorrection, study: StudyUid): Promise<StudyFindings | undefined>
  /** Patients who may be one (DQ-21). */
  duplicates(proof: VerifiedCorrection, limit: number): Promise<Duplicates>
  /** A study's unreadable text as an encoding would have it; nothing when there is none. */
  readAs(
    proof: VerifiedCorrection,
    study: StudyUid,
    encoding: CyrillicEncoding,
  ): Promise<Reading | undefined>
  /** Appends a record of another type to the value log, synced before it resolves (index entries). */
  append(kind: 'index-entry', payload: Uint8Array): Promise<void>
  /** Every payload of that type, oldest first. */
  replay(kind: 'index-entry'): AsyncIterable<Uint8Array>
  on(listener: (event: ArchiveEvent) => void): () => void
  /** How far the scrub is, what it found, and when each segment was last read whole. */
  integrity(): Promise<ScrubStatus>
  /** Finishes the pass that is due without pausing. */
  scrub(): Promise<ScrubSummary>
  /** Moves away what the retention policy allows and another place has, and gives the space back. */
  retain(): Promise<Retained & { compacted: Compacted }>
  counts(): Promise<{ studies: number; instances: number; bytes: number; quarantined: number }>
}
