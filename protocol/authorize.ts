import type { Assertion } from './assertion.ts'
import type { ErrorCode } from './errors.ts'
import type { Grant, GrantRequest, Operation } from './grant.ts'
import type { Kid, OrganizationOid, PeerIdString, Sha256, StudyUid, UserId } from './ids.ts'
import type { Policy } from './trust-list.ts'

/**
 * The one decision behind every door. It is pure: callers collect facts, this decides, and only this makes the
 * proofs (`VerifiedGrant`, `VerifiedSearch`) without which the archive opens nothing.
 */
declare const proof: unique symbol

/** Proof that this study may be read now, by this user, for this operation. */
export type VerifiedGrant = {
  readonly [proof]: 'study'
  readonly basis: 'own' | 'grant'
  readonly operation: Operation
  readonly study: StudyUid
  readonly user: UserId
  readonly organization: OrganizationOid
  /** `jti` of the grant when `basis` is `grant`. */
  readonly grant?: string
  /** Milliseconds; a reader that outlives it decides again. */
  readonly expiresAt: number
}

/** Proof that this user may search her own organization's studies. */
export type VerifiedSearch = {
  readonly [proof]: 'search'
  readonly user: UserId
  readonly organization: OrganizationOid
}

export type Denial = { ok: false; code: ErrorCode }
export type Decision<T> = { ok: true; grant: T } | Denial

export type Role =
  | 'radiographer'
  | 'radiologist'
  | 'diagnostician'
  | 'clinician'
  | 'consultant'
  | 'dept_head'
  | 'consult_organizer'
  | 'mo_admin'
  | 'head_of_mo'
  | 'cami_operator'
  | 'cami_admin'
  | 'support'
  | 'security_auditor'
  | 'ministry_observer'

/** A signed-in person, as a session of her own node knows her. */
export type OwnUser = {
  uid: UserId
  organization: OrganizationOid
  roles: readonly Role[]
  enabled: boolean
  authTime: number
  amr: readonly ('pwd' | 'otp' | 'hwk')[]
}

/** What the decision needs to know of a study. */
export type StudyFacts = {
  study: StudyUid
  holder: OrganizationOid
  modalities: readonly string[]
  /** `YYYYMMDD` or empty. */
  date: string
  device: string
  /** Quarantined, hidden or restricted: not for other organizations. */
  withheld: boolean
}

export type LocalFacts = {
  now: number
  self: OrganizationOid
  policy: Policy
  user: OwnUser
  operation: Operation
  /** Absent: this node holds no such study. */
  study?: StudyFacts
}

/** A token whose form, signature and times have been checked, with the key that signed it. */
export type Verified<T> = { claims: T; kid: Kid; digest: Sha256 }

export type CredentialFacts = {
  organization: OrganizationOid
  kid: Kid
  peerId: PeerIdString
  notBefore: number
  expiresAt: number
}

/** The newest accepted epoch of a holder; times in milliseconds. */
export type EpochFacts = {
  epoch: number
  /** Issue time of the newest verified epoch or beat. */
  freshAt: number
  grants: ReadonlyMap<string, { ver: number; digest: Sha256; active: boolean }>
  usersOff: ReadonlySet<UserId>
  organizationsOff: ReadonlySet<OrganizationOid>
  kidsOff: ReadonlySet<Kid>
}

export type GrantFacts = { grant: Verified<Grant>; request: Verified<GrantRequest> }

/** Facts of a request that came from another organization's node over its Noise connection. */
export type PeerFacts = {
  now: number
  self: OrganizationOid
  /** Thumbprints of this node's own keys, the current one and its lineage. */
  selfKids: ReadonlySet<Kid>
  policy: Policy
  remotePeer: PeerIdString
  operation: Operation
  assertion: Verified<Assertion>
  replayed: boolean
  credential?: CredentialFacts
  epoch?: EpochFacts
  grant?: GrantFacts
  study?: StudyFacts
  rateExceeded: boolean
}
