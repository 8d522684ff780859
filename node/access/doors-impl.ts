import type { AuditEntry } from '#protocol/audit-event.ts'
import {
  authorizeLocal,
  authorizeQuarantine,
  authorizeSearch,
  needsFactorToRead,
} from '#protocol/authorize.ts'
import { codeOf } from '#protocol/errors.ts'
import type { ErrorCode } from '#protocol/errors.ts'
import type { Kid, OrganizationOid, StudyUid } from '#protocol/ids.ts'
import type { StudyRecord } from '#protocol/study.ts'
import type { Archive, StudyReader } from '../archive/archive.ts'
import type { DicomJson } from '../dicom/dicom-json.ts'
import type { Doors, StudyUse } from './doors.ts'
import type { Federation, ReceivedGrant } from './federation.ts'
import { createDoorAudit, type DoorAudit } from './door-audit.ts'
import { createFetchedDecision } from './fetched.ts'
import type { FetchedDecision } from './fetched.ts'
import { createIntakeDoors } from './intake-doors.ts'
import type { OwnEmergencies } from './own-emergencies.ts'
import type { Restrictions } from './restrictions.ts'
import { searchDoor } from './search-door.ts'
import type { SessionUser } from './session-user.ts'
import { createStillOpen } from './still-open.ts'

/** A study that another organization's index names. */
export type RegionStudy = { holder: OrganizationOid; record: StudyRecord; attributes: DicomJson }

export type DoorsDeps = {
  archive: Pick<Archive, 'facts' | 'open' | 'search' | 'quarantine' | 'ingest' | 'overlay'>
  audit: { append(entry: AuditEntry): Promise<unknown> }
  federation: Pick<
    Federation,
    'policy' | 'receivedGrants' | 'earlierKids' | 'now' | 'status' | 'onChange' | 'epochFacts'
  >
  /** What the operator has limited here; the node's own tests have none. */
  restrictions?: Pick<Restrictions, 'current'>
  /** What people of this organization opened without a grant. */
  ownEmergencies?: Pick<OwnEmergencies, 'find' | 'decide'>
  /** The replicated index (`node/replica`). */
  replica: {
    find(study: StudyUid): Promise<RegionStudy[]>
    seriesOf(study: RegionStudy): DicomJson[]
    search(
      query: { match: Record<string, string[]>; study?: StudyUid; limit: number },
      isVisible: (study: RegionStudy) => boolean,
    ): Promise<RegionStudy[]>
  }
  /** Studies of other organizations (`node/exchange`). */
  remote: {
    open(request: {
      user: SessionUser
      study: StudyUid
      holder: OrganizationOid
      use?: StudyUse
    }): Promise<StudyReader>
    closeStudy(id: StudyUid | OrganizationOid): unknown
  }
  /** `aeTitle`: from which apparatus retrieve what is held here. */
  self: { oid: OrganizationOid; name: string; kid: Kid; aeTitle: string }
  clock: () => number
}

/** The doors of a node: facts, decision, audit record, and only then the study. */
export function createDoors(deps: DoorsDeps): Doors & Disposable {
  const { archive, federation, remote, self } = deps
  const { restrictions } = deps
  const given = { self: self.oid, selfKid: self.kid, federation }
  const decide = createFetchedDecision({
    ...given,
    ...(restrictions !== undefined && { restrictions }),
  })
  const audits = createDoorAudit(deps)
  const stopClosing = closeWhatEnds(federation, (holder) => remote.closeStudy(holder))

  /** What she lacks herself is said of every study alike, held here or not. */
  const deny = (user: SessionUser, study: StudyUid, reason: Denied) => {
    const lacksFactor = needsFactorToRead(factsOf(deps, user))
    return audits.deny(user, study, { ...reason, lacksFactor })
  }
  const openStudy: Doors['openStudy'] = async (user, study, use) => {
    const held = await archive.facts(study)
    if (held !== undefined) {
      const now = deps.clock()
      const facts = { now, self: self.oid, user, operation: 'view' as const, study: held }
      const decision = authorizeLocal(facts)
      if (!decision.ok) return await deny(user, study, { code: decision.code })
      await audits.opened(user, study, { holder: self.oid })
      return await archive.open(decision.grant)
    }
    const found =
      findOpened(deps, user, study) ?? (await findGranted(deps, decide, { user, study }))
    if (!found.ok) {
      const { ok: _, ...reason } = found
      return await deny(user, study, reason)
    }
    const { holder, grant } = found
    let reader: StudyReader
    try {
      reader = await remote.open({ user, study, holder, ...(use !== undefined && { use }) })
    } catch (error) {
      return await audits.fail(user, study, { holder, grant, code: codeOf(error) })
    }
    await audits.opened(user, study, { holder, grant })
    return reader
  }

  return {
    ...createIntakeDoors(deps),
    openStudy,
    search: createSearch(deps, { audits, decide, openStudy }),
    stillOpen: createStillOpen({ ...deps, decide, openStudy }),
    accessed: (user, reader, what) => audits.accessed(user, reader, what),
    async quarantine(user) {
      const decision = authorizeQuarantine(factsOf(deps, user))
      if (!decision.ok) return await audits.refuseQuery(user, decision.code)
      const entries = await archive.quarantine(decision.grant)
      await audits.queried(user, { detail: 'quarantine', scope: 'own' }, entries.length)
      return entries
    },
    [Symbol.dispose]: stopClosing,
  }
}

type SearchParts = {
  audits: DoorAudit
  decide: FetchedDecision
  openStudy: Doors['openStudy']
}

function createSearch(deps: DoorsDeps, parts: SearchParts): Doors['search'] {
  const { self } = deps
  const { audits } = parts
  return async (user, query, scope) => {
    const decision = authorizeSearch(user, self.oid, deps.clock())
    // A consultant has no studies of her own organization, only what others granted.
    const isGuest = scope === 'region' && user.roles.includes('consultant')
    if (!decision.ok && !(isGuest && decision.code === 'role_missing'))
      return await audits.refuseQuery(user, decision.code)
    const lacksFactor = scope === 'region' && needsFactorToRead(factsOf(deps, user))
    if (lacksFactor && !decision.ok) return await audits.refuseQuery(user, 'second_factor_required')
    const proof = decision.ok ? decision.grant : undefined
    const asked = { user, query, scope, proof, lacksFactor }
    const result = await searchDoor({ ...deps, ...parts }, asked)
    await audits.queried(user, { detail: query.level, scope }, result.matches.length)
    return result
  }
}

const factsOf = ({ self, clock, federation }: DoorsDeps, user: SessionUser) => ({
  user,
  self: self.oid,
  now: clock(),
  policy: federation.policy(),
})

type Denied = { holder?: OrganizationOid; code: ErrorCode }
type Found = { ok: true; holder: OrganizationOid; grant?: string } | ({ ok: false } & Denied)

/** What she has opened without a grant goes first: a grant may say no more, or its holder believe it no more. */
function findOpened(
  { ownEmergencies }: DoorsDeps,
  user: SessionUser,
  study: StudyUid,
): Found | undefined {
  const holder = ownEmergencies?.find(user, study)?.holder
  const decision = ownEmergencies?.decide(user, study)
  if (holder === undefined || decision === undefined) return undefined
  if (!decision.ok) return { ok: false, holder, code: decision.code }
  const { grant } = decision.grant
  return { ok: true, holder, ...(grant !== undefined && { grant }) }
}

/** Of those who hold the study, the first whose grant lets this user read it. */
async function findGranted(
  { replica }: DoorsDeps,
  decide: FetchedDecision,
  { user, study }: { user: SessionUser; study: StudyUid },
): Promise<Found> {
  let denied: Found = { ok: false, code: 'study_not_held' }
  for (const candidate of await replica.find(study)) {
    const { holder } = candidate
    const decision = decide(user, candidate, 'view')
    if (!decision.ok) {
      denied = { ok: false, holder, code: decision.code }
      continue
    }
    const { grant } = decision.grant
    return { ok: true, holder, ...(grant !== undefined && { grant }) }
  }
  return denied
}

/**
 * When a grant ends, or its holder is suspended, what was opened under it closes; who has another grant opens it again.
 */
function closeWhatEnds(
  federation: Pick<Federation, 'receivedGrants' | 'onChange' | 'epochFacts'>,
  close: (holder: OrganizationOid) => void,
): () => void {
  const active = (): Map<string, OrganizationOid> => {
    const off = federation.epochFacts()?.organizationsOff
    const grants = federation.receivedGrants().filter(isActive).map(holderByNumber)
    return new Map(grants.filter(([, holder]) => off?.has(holder) !== true))
  }
  let before = active()
  return federation.onChange((change) => {
    if (change !== 'grants' && change !== 'epoch') return
    const now = active()
    const ended = [...before].filter(([jti]) => !now.has(jti)).map(([, holder]) => holder)
    for (const holder of new Set(ended)) close(holder)
    before = now
  })
}

const isActive = ({ active }: ReceivedGrant): boolean => active

const holderByNumber = ({ facts }: ReceivedGrant): [string, OrganizationOid] => {
  const { jti, holder } = facts.grant.claims
  return [jti, holder.slice('oid:'.length) as OrganizationOid]
}
