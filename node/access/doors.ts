import type { SeriesUid, SopUid, StudyUid } from '#protocol/ids.ts'
import type {
  Declared,
  IngestSink,
  Query,
  QueryResult,
  QuarantineEntry,
  Stored,
  StudyReader,
} from '../archive/archive.ts'
import type { RejectionCode } from '../archive/overlay.ts'
import type { SessionUser } from './session-user.ts'
import type { StillOpen } from './still-open.ts'

/**
 * How new the holder's word must be: at an opening it is asked anew, for what is on a screen it must be recent. Who reads
 * on in what she has opened waits for nothing, and is cut off when the holder's answer comes.
 */
export type StudyUse = 'opening' | 'showing'

/**
 * The only ways from a signed-in user to images and lists. Each door collects facts, asks `authorize`, writes the
 * audit record, and only then opens. HTTP and DIMSE adapters know nothing else.
 */
export type Doors = {
  /**
   * A study of this node, or of another organization under a grant that names the user (fetched from its holder).
   * Throws `forbidden` alike for a study that may not be read and one that does not exist; the denial is audited.
   */
  openStudy(user: SessionUser, study: StudyUid, use?: StudyUse): Promise<StudyReader>
  /**
   * Whether a study that this session has opened may still be read, and if not, why: who had it open may know. Throws
   * `forbidden` as `openStudy` does for what it has not opened.
   */
  stillOpen(user: SessionUser, study: StudyUid): Promise<StillOpen>
  /** `region` adds what grants allow; `warnings` say which holder or registry is out of reach. */
  search(
    user: SessionUser,
    query: Query,
    scope: 'own' | 'region',
  ): Promise<QueryResult & { warnings: string[] }>
  /** Writes the audit record of one retrieval through an open reader. */
  accessed(
    user: SessionUser,
    reader: StudyReader,
    what: { detail: string; instances: number; bytes: number },
  ): Promise<void>
  quarantine(user: SessionUser): Promise<QuarantineEntry[]>
  /** Lets a user bring instances to the archive of this node. Throws `forbidden`; the denial is audited. */
  store(user: SessionUser): Promise<Intake>
  /**
   * Hides a study, a series or an instance of this node from lists and retrieval; nothing is erased. Throws `forbidden`
   * alike for who may not and for what is not here; both are audited.
   */
  reject(user: SessionUser, what: Rejection): Promise<void>
}

/** What one user brings with one request. */
export type Intake = {
  ingest(declared: Declared): Promise<IngestSink>
  /** Writes the audit record of what was stored; it must precede the answer. */
  stored(instances: readonly Pick<Stored, 'study' | 'bytes'>[], failed: number): Promise<void>
}

export type Rejection = {
  study: StudyUid
  series?: SeriesUid
  sop?: SopUid
  code: RejectionCode
  /** In the user's own words. */
  reason: string
}
