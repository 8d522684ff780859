import type { Assertion } from './assertion.ts'
import type { CredentialFacts } from './credential.ts'
import type { EpochFacts } from './epoch.ts'
import type { GrantFacts, Operation } from './grant.ts'
import type { Kid, OrganizationOid, PeerIdString, StudyUid, UserId } from './ids.ts'
import type { Verified } from './jws.ts'
import type { Policy } from './trust-list.ts'

/** What decisions are made from. Times are milliseconds. */

export const roles = [
  'radiographer',
  'radiologist',
  'diagnostician',
  'clinician',
  'consultant',
  'dept_head',
  'consult_organizer',
  'mo_admin',
  'head_of_mo',
  'cami_operator',
  'cami_admin',
  'support',
  'security_auditor',
  'ministry_observer',
] as const
export type Role = (typeof roles)[number]

/** A signed-in person, as a session of her own node knows her. */
export type OwnUser = {
  uid: UserId
  organization: OrganizationOid
  roles: readonly Role[]
  enabled: boolean
  /** When she signed in, milliseconds. */
  authTime: number
  amr: readonly ('pwd' | 'otp' | 'hwk')[]
}

/** Facts of what a person does at home, and of what she may not do without a second factor. */
export type OwnFacts = { now: number; self: OrganizationOid; policy: Policy; user: OwnUser }

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
  user: OwnUser
  operation: Operation
  /** Absent: this node holds no such study. */
  study?: StudyFacts
}

/** An apparatus or workstation that asks for images over DIMSE. */
export type DeviceFacts = {
  now: number
  self: OrganizationOid
  /** The register's entry of the device; absent: there is none any more. */
  device?: {
    id: string
    /** When it began its service, milliseconds. */
    startsAt: number
    services: ReadonlySet<string>
  }
  /** AE title and address of the caller are those of the entry. */
  isCallerOwn: boolean
  /** Absent for lists. */
  study?: StudyFacts
}

/** What a correction is about; which roles may make it depends on that. `history`: what was corrected is only looked at. */
export type CorrectionAct =
  | 'demographics'
  | 'attributes'
  | 'patients'
  | 'rejection'
  | 'quarantine'
  | 'history'

export type CorrectionFacts = OwnFacts & {
  act: CorrectionAct
  reason: string
  /** The document that it rests on. */
  basis?: string
}

/** A route of this organization's own configuration, and a study that may fit it. */
export type RouteFacts = {
  now: number
  self: OrganizationOid
  route: { to: string; devices?: readonly string[]; modalities?: readonly string[] }
  study?: StudyFacts
}

/** Facts of a request that came from another organization's node over its Noise connection. */
export type PeerFacts = {
  now: number
  self: OrganizationOid
  /** Thumbprints of this node's own keys, the current one and its lineage. */
  selfKids: ReadonlySet<Kid>
  policy: Policy
  remotePeer: PeerIdString
  operation: Operation
  /** The operator has limited this organization: it shows nobody else anything, whatever its set of grants says. */
  restricted: boolean
  assertion: Verified<Assertion>
  replayed: boolean
  credential?: CredentialFacts
  epoch?: EpochFacts
  grant?: GrantFacts
  /** The study that is asked for; absent when this node does not hold it. */
  study?: StudyFacts
  rateExceeded: boolean
  /** Absent: the holder lets nobody in without a grant. */
  emergency?: EmergencyFacts
}

/** What the holder knows of access without a grant, for an assertion that asks for it. */
export type EmergencyFacts = {
  /** Openings of this user, and of all users of her organization, in the last 24 hours. */
  byUser: number
  byOrganization: number
  /** The opening that the assertion names, when there is one already. */
  opened?: { user: UserId; study: StudyUid; until: number }
}

/** Facts of the grantee's side about an opening without a grant, before its node dials the holder. */
export type OwnEmergencyFacts = Pick<FetchedFacts, 'now' | 'self' | 'policy' | 'user' | 'off'> & {
  holder: OrganizationOid
  study: StudyUid
  /** As this user has made it, in this session. */
  opened: { id: string; user: UserId; holder: OrganizationOid; study: StudyUid; until: number }
}

/** Facts of the grantee's side, before its node dials the holder. */
export type FetchedFacts = OwnFacts & {
  /** The key that this node signs assertions with: a grant that pins another one opens nothing. */
  selfKid: Kid
  /** Own earlier keys, which grants may name. */
  selfFollows?: ReadonlySet<Kid>
  operation: Operation
  /** From the replicated index, or learnt from the holder. */
  study: StudyFacts
  /** Grants that this organization received, and whether the registry last said that they are active. */
  grants: readonly { facts: GrantFacts; active: boolean }[]
  /** Whom the newest epoch switches off, as far as this node has heard. */
  off?: { users: ReadonlySet<UserId>; organizations: ReadonlySet<OrganizationOid> }
}
