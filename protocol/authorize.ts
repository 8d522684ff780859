import type { CredentialFacts } from './credential.ts'
import type { ErrorCode } from './errors.ts'
import { emergencyEnd, refuseEmergency, refuseOwnEmergency } from './emergency-refusal.ts'
import type { CorrectionAct, CorrectionFacts, DeviceFacts, FetchedFacts } from './facts.ts'
import type { LocalFacts, OwnEmergencyFacts, OwnFacts, OwnUser, PeerFacts } from './facts.ts'
import type { Role, RouteFacts } from './facts.ts'
import type { Operation } from './grant.ts'
import {
  grantOrder,
  refuseAct,
  refuseGrant,
  refuseParties,
  refuseReceived,
  refuseStudy,
} from './grant-refusal.ts'
import { oidOf, organizationOfUser } from './ids.ts'
import type { OrganizationOid, StudyUid, UserId } from './ids.ts'
import {
  administrativeRoles,
  lacksSecondFactor,
  refuseRole,
  refuseSession,
  refuseUser,
  sessionEnd,
} from './session-refusal.ts'
import { isWithin } from './times.ts'

export type { CredentialFacts } from './credential.ts'
export type { EpochFacts } from './epoch.ts'
export type * from './facts.ts'
export { coversStudy } from './grant.ts'
export type { GrantFacts } from './grant.ts'
export type { Verified } from './jws.ts'

/**
 * The one decision behind every door. It is pure: callers collect facts, this decides, and only this makes the
 * proofs (`VerifiedGrant`, `VerifiedSearch`, `VerifiedCorrection`) without which the archive opens nothing.
 */
declare const proof: unique symbol

/** Who acts: a person, a registered device by its id, or a route of the configuration by its target. */
export type Actor = UserId | `device:${string}` | `route:${string}`

/** Proof that this study may be read now, by this user, for this operation. */
export type VerifiedGrant = {
  readonly [proof]: 'study'
  readonly basis: 'own' | 'grant' | 'emergency'
  readonly operation: Operation
  readonly study: StudyUid
  readonly user: Actor
  readonly organization: OrganizationOid
  /** `jti` of the grant when `basis` is `grant`; of an emergency its number. */
  readonly grant?: string
  /** Milliseconds; a reader that outlives it decides again. */
  readonly expiresAt: number
}

/** Proof that this user may search her own organization's studies. */
export type VerifiedSearch = {
  readonly [proof]: 'search'
  readonly user: Actor
  readonly organization: OrganizationOid
}

/** Proof that this user may change, for this reason, what is shown of her own organization's studies. */
export type VerifiedCorrection = {
  readonly [proof]: 'correction'
  readonly act: CorrectionAct
  readonly user: UserId
  readonly organization: OrganizationOid
  readonly reason: string
  /** The document that it rests on. */
  readonly basis?: string
}

/** Proof that this user may bring instances to her own organization's archive. */
export type VerifiedStore = {
  readonly [proof]: 'store'
  readonly user: UserId
  readonly organization: OrganizationOid
}

export type Denial = { ok: false; code: ErrorCode }
export type Decision<T> = { ok: true; grant: T } | Denial

/** What each role may do with studies of its own organization. A role that is not here sees none. */
const ownOperations: Partial<Record<Role, readonly Operation[]>> = {
  radiographer: ['search', 'view'],
  radiologist: ['search', 'view', 'report', 'request_info'],
  diagnostician: ['search', 'view', 'report', 'request_info'],
  dept_head: ['search', 'view', 'report', 'request_info'],
}

/** Roles that may use what another organization granted to a named user. */
const readerRoles: ReadonlySet<Role> = new Set(['radiologist', 'diagnostician', 'consultant'])

const deny = (code: ErrorCode): Denial => ({ ok: false, code })

/** The only place where proofs are made. */
const prove = <T extends VerifiedGrant | VerifiedSearch | VerifiedCorrection | VerifiedStore>(
  facts: Omit<T, typeof proof>,
): Decision<T> => ({
  ok: true,
  grant: Object.freeze({ ...facts }) as T,
})

/** A resource of this node's own interface that is for these roles. */
export function authorizeResource(
  facts: OwnFacts,
  allowed: readonly Role[],
): { ok: true } | Denial {
  const refused = refuseRole(facts, allowed)
  return refused === undefined ? { ok: true } : deny(refused)
}

/**
 * A user of this organization and a study that it holds. The policy of the federation has no say here, and neither has
 * the registry: local work never depends on them.
 */
export function authorizeLocal(facts: LocalFacts): Decision<VerifiedGrant> {
  const { now, self, user, operation, study } = facts
  const refused = refuseUser(user, self, now)
  if (refused !== undefined) return deny(refused)
  if (!user.roles.some((role) => ownOperations[role]?.includes(operation))) {
    return deny('role_missing')
  }
  if (study?.holder !== self) return deny('study_not_held')
  return prove<VerifiedGrant>({
    basis: 'own',
    operation,
    study: study.study,
    user: user.uid,
    organization: self,
    expiresAt: sessionEnd(user.authTime),
  })
}

/** Lists of this organization's own studies. */
export function authorizeSearch(
  user: OwnUser,
  self: OrganizationOid,
  now: number,
): Decision<VerifiedSearch> {
  const refused = refuseUser(user, self, now)
  if (refused !== undefined) return deny(refused)
  return user.roles.some((role) => ownOperations[role]?.includes('search'))
    ? prove<VerifiedSearch>({ user: user.uid, organization: self })
    : deny('role_missing')
}

/** Who brings instances to the archive: what she holds in her hands, such as a disk or a file (STOW-RS). */
const storingRoles: readonly Role[] = [
  'radiographer',
  'radiologist',
  'diagnostician',
  'dept_head',
  'mo_admin',
]

export const authorizeStore = storeBy(storingRoles)

/** Who asks other archives of the apparatus register for what is to be brought here: their lists name patients too. */
const fetchingRoles: readonly Role[] = ['radiographer', 'mo_admin']

export const authorizeRemoteArchive = storeBy(fetchingRoles)

/** Whoever brings images into the own archive needs one of these roles. */
function storeBy(roles: readonly Role[]) {
  return (facts: OwnFacts): Decision<VerifiedStore> => {
    const refused = refuseRole(facts, roles)
    if (refused !== undefined) return deny(refused)
    return prove<VerifiedStore>({ user: facts.user.uid, organization: facts.self })
  }
}

/** What waits in quarantine is listed, without images, for the administrator who can mend its cause. */
export function authorizeQuarantine(facts: OwnFacts): Decision<VerifiedSearch> {
  const refused = refuseRole(facts, ['mo_admin'])
  if (refused !== undefined) return deny(refused)
  return prove<VerifiedSearch>({ user: facts.user.uid, organization: facts.self })
}

const correctors: Record<CorrectionAct, readonly Role[]> = {
  demographics: ['radiographer', 'dept_head', 'mo_admin'],
  attributes: ['dept_head', 'mo_admin'],
  patients: ['dept_head', 'mo_admin'],
  rejection: ['dept_head', 'mo_admin'],
  quarantine: ['mo_admin'],
  history: ['radiographer', 'dept_head', 'mo_admin', 'security_auditor'],
}

/** Changes of what is shown: always for a reason that is kept with them; looking at them needs none. */
export function authorizeCorrection(facts: CorrectionFacts): Decision<VerifiedCorrection> {
  const { user, self, act, basis = '' } = facts
  const refused = refuseRole(facts, correctors[act])
  if (refused !== undefined) return deny(refused)
  const reason = facts.reason.trim()
  if (reason === '' && act !== 'history') return deny('bad_request')
  return prove<VerifiedCorrection>({
    act,
    user: user.uid,
    organization: self,
    reason,
    ...(basis.trim() !== '' && { basis: basis.trim() }),
  })
}

function refuseDevice(
  { now, device, isCallerOwn }: DeviceFacts,
  service: 'query' | 'retrieve',
): ErrorCode | undefined {
  if (device === undefined || !isCallerOwn || device.startsAt > now) return 'forbidden'
  return device.services.has(service) ? undefined : 'operation_not_granted'
}

/** Lists for a registered device: this organization's own studies only, whatever grants its people have. */
export function authorizeDeviceSearch(
  facts: DeviceFacts,
  purpose: 'query' | 'retrieve',
): Decision<VerifiedSearch> {
  const { self, device } = facts
  const refused = refuseDevice(facts, purpose)
  return refused === undefined
    ? prove<VerifiedSearch>({ user: `device:${device?.id}`, organization: self })
    : deny(refused)
}

/** A study of this organization for a registered device that may retrieve. */
export function authorizeDevice(facts: DeviceFacts): Decision<VerifiedGrant> {
  const { now, self, study, device } = facts
  const refused = refuseDevice(facts, 'retrieve')
  if (refused !== undefined) return deny(refused)
  if (study?.holder !== self) return deny('study_not_held')
  return prove<VerifiedGrant>({
    basis: 'own',
    operation: 'view',
    study: study.study,
    user: `device:${device?.id}`,
    organization: self,
    expiresAt: sessionEnd(now),
  })
}

/** A study of this organization for an archive to which its own configuration sends what fits. */
export function authorizeRoute(facts: RouteFacts): Decision<VerifiedGrant> {
  const { now, self, route, study } = facts
  if (study?.holder !== self) return deny('study_not_held')
  if (study.withheld) return deny('study_withheld')
  const fits =
    (route.devices?.includes(study.device) ?? true) &&
    (route.modalities?.some((modality) => study.modalities.includes(modality)) ?? true)
  if (!fits) return deny('study_out_of_scope')
  return prove<VerifiedGrant>({
    basis: 'own',
    operation: 'view',
    study: study.study,
    user: `route:${route.to}`,
    organization: self,
    expiresAt: sessionEnd(now),
  })
}

/**
 * The holder's decision, before anything of a study leaves: the first refusal in this order is the answer. Repeated
 * while bytes flow (with `replayed` and `rateExceeded` false): an assertion's own end is no reason to cut a transfer
 * that it began, an end of credential, epoch, grant or user is.
 */
export function authorizePeer(facts: PeerFacts): Decision<VerifiedGrant> {
  const { credential, epoch, grant, study, assertion } = facts
  if (facts.restricted) return deny('organization_restricted')
  const peer = refusePeer(facts)
  if (peer !== undefined) return deny(peer)
  if (facts.replayed) return deny('token_replayed')
  if (credential === undefined) return deny('peer_unknown')
  if (assertion.claims.purp === 'ETREAT') return admitEmergency(facts, credential)
  if (epoch === undefined) return deny('epoch_absent')
  const staleAt = epoch.freshAt + facts.policy.staleAfterHours * 60 * 60 * 1000
  if (facts.now >= staleAt) return deny('epoch_stale')
  if (grant === undefined) return deny('grant_absent')
  const refused =
    refuseGrant(facts, epoch, grant) ??
    refuseParties(facts, epoch, grant.request.claims) ??
    refuseAct(facts, grant.request.claims) ??
    refuseStudy(facts, grant.request.claims) ??
    refuseSession(facts) ??
    (facts.rateExceeded ? 'rate_limited' : undefined)
  if (refused !== undefined) return deny(refused)
  if (study === undefined) return deny('study_not_held')
  return prove<VerifiedGrant>({
    basis: 'grant',
    operation: facts.operation,
    study: study.study,
    user: assertion.claims.sub,
    organization: credential.organization,
    grant: grant.grant.claims.jti,
    expiresAt: Math.min(grant.grant.claims.exp * 1000, credential.expiresAt, staleAt),
  })
}

/** Without a grant, where the holder offers that: the order is that of section 6.1. */
function admitEmergency(facts: PeerFacts, credential: CredentialFacts): Decision<VerifiedGrant> {
  const { study, assertion, operation } = facts
  const refused = refuseEmergency(facts) ?? (facts.rateExceeded ? 'rate_limited' : undefined)
  if (refused !== undefined || study === undefined) return deny(refused ?? 'study_not_held')
  return prove<VerifiedGrant>({
    basis: 'emergency',
    operation,
    study: study.study,
    user: assertion.claims.sub,
    organization: credential.organization,
    grant: assertion.claims.grant,
    expiresAt: Math.min(emergencyEnd(facts), credential.expiresAt),
  })
}

/** The connection, the credential and the assertion name one and the same party. */
function refusePeer({ now, credential, remotePeer, assertion }: PeerFacts): ErrorCode | undefined {
  if (credential === undefined) return 'peer_unknown'
  if (!isWithin({ from: credential.notBefore, to: credential.expiresAt }, now)) {
    return 'credential_expired'
  }
  const { iss, sub } = assertion.claims
  const isSame =
    credential.peerId === remotePeer &&
    credential.kid === assertion.kid &&
    credential.organization === oidOf(iss) &&
    credential.organization === organizationOfUser(sub)
  return isSame ? undefined : 'peer_mismatch'
}

/** Whether she may read what others granted at all, whatever study and grant it is. */
function refuseReader({ now, self, user, policy }: OwnFacts): ErrorCode | undefined {
  const refused = refuseUser(user, self, now)
  if (refused !== undefined) return refused
  if (!user.roles.some((role) => readerRoles.has(role))) return 'role_missing'
  return lacksSecondFactor(policy, user.amr) ? 'second_factor_required' : undefined
}

/** A second factor is all that she lacks to read what others granted. It is so for every study, so saying it tells of none. */
export const needsFactorToRead = (facts: OwnFacts): boolean =>
  refuseReader(facts) === 'second_factor_required'

/** The same of anything that her roles are there for. */
export const needsFactor = (facts: OwnFacts): boolean =>
  needsFactorToRead(facts) ||
  refuseRole(facts, [...administrativeRoles]) === 'second_factor_required'

/**
 * The grantee's own decision: one of its grants names the user and covers the study. It keeps a request that the holder
 * would refuse from leaving, and opens copies of what was already fetched; the holder decides for itself.
 */
export function authorizeFetched(facts: FetchedFacts): Decision<VerifiedGrant> {
  const { self, user, operation, study } = facts
  const refused = refuseReader(facts)
  if (refused !== undefined) return deny(refused)
  if (facts.off?.users.has(user.uid) === true) return deny('user_disabled')
  if (facts.off?.organizations.has(study.holder) === true) return deny('peer_suspended')
  let farthest: ErrorCode = 'grant_absent'
  for (const received of facts.grants) {
    const code = refuseReceived(facts, received)
    if (code !== undefined) {
      if (grantOrder.indexOf(code) > grantOrder.indexOf(farthest)) farthest = code
      continue
    }
    const { jti, exp } = received.facts.grant.claims
    return prove<VerifiedGrant>({
      basis: 'grant',
      operation,
      study: study.study,
      user: user.uid,
      organization: self,
      grant: jti,
      expiresAt: Math.min(exp * 1000, sessionEnd(user.authTime)),
    })
  }
  return deny(farthest)
}

/** The grantee's own decision about what its user has opened without a grant; the holder decides for itself. */
export function authorizeEmergency(facts: OwnEmergencyFacts): Decision<VerifiedGrant> {
  const { self, user, study, opened } = facts
  const refused = refuseUser(user, self, facts.now) ?? refuseOwnEmergency(facts)
  if (refused !== undefined) return deny(refused)
  return prove<VerifiedGrant>({
    basis: 'emergency',
    operation: 'view',
    study,
    user: user.uid,
    organization: self,
    grant: opened.id,
    expiresAt: Math.min(opened.until, sessionEnd(user.authTime)),
  })
}
