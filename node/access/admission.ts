import type { VerifiedGrant } from '#protocol/authorize.ts'
import type { PeerIdString, Sha256, StudyUid } from '#protocol/ids.ts'

/** The door for other organizations' nodes: every request of theirs passes it, with an assertion of its own. */
export type PeerGate = {
  /**
   * Decides on one request, and writes the audit record before it admits. Throws `forbidden` for whatever reason; the
   * reason itself stays in this node's audit.
   */
  admit(peer: PeerIdString, assertion: string, study: StudyUid): Promise<Admission>
}

/** One admitted request. */
export type Admission = {
  readonly grant: VerifiedGrant
  /** Throws `forbidden` once the authority behind the grant has ended. */
  recheck(): Promise<void>
  /** What was sent in the end; called once. */
  finish(result: Transferred): Promise<void>
}

export type Transferred = {
  instances: number
  bytes: number
  outcome: 'success' | 'failure'
  /** Digest of the manifest that was newest then. */
  manifest?: Sha256
}
