import type { StudyUid } from '#protocol/ids.ts'
import type { Query, QueryResult, QuarantineEntry, StudyReader } from '../archive/archive.ts'
import type { SessionUser } from './session-user.ts'

/**
 * The only ways from a signed-in user to images and lists. Each door collects facts, asks `authorize`, writes the
 * audit record, and only then opens. HTTP and DIMSE adapters know nothing else.
 */
export type Doors = {
  /**
   * A study of this node, or of another organization under a grant that names the user (fetched from its holder).
   * Throws `forbidden` alike for a study that may not be read and one that does not exist; the denial is audited.
   */
  openStudy(user: SessionUser, study: StudyUid): Promise<StudyReader>
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
}
