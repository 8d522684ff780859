import { BlockList, isIP } from 'node:net'
import type { AuditEntry } from '#protocol/audit-event.ts'
import { authorizeCorrection } from '#protocol/authorize.ts'
import type { CorrectionAct } from '#protocol/authorize.ts'
import { codeOf, ProtocolError, WrongRequest } from '#protocol/errors.ts'
import type { OrganizationOid } from '#protocol/ids.ts'
import { overlayLimits } from '#protocol/limits.ts'
import { startOf } from '../apparatus.ts'
import type { Archive, OverlayEntry, OverlayFilter, QuarantineEntry } from '../archive/archive.ts'
import { actOf } from '../archive/overlay.ts'
import type { Overlay, OverlayRequest } from '../archive/overlay.ts'
import type { Device } from '../config.ts'
import type { Federation } from './federation.ts'
import { refusal } from './refusal.ts'
import type { SessionUser } from './session-user.ts'

/** Why something is changed; the document that it rests on, when there is one. */
export type Why = { reason: string; basis?: string }

/**
 * The doors through which users change what is shown of their own organization's studies. Each decides, writes the
 * audit record, and only then changes; a refusal is audited too.
 */
export type CorrectionDoors = {
  /** Throws `forbidden` for who may not, and otherwise what is wrong with the request. */
  overlay(user: SessionUser, request: OverlayRequest, why: Why): Promise<Overlay[]>
  overlays(user: SessionUser, filter: OverlayFilter): Promise<OverlayEntry[]>
  /** A device was registered: what it sent since its start date as a stranger is let in. The number of objects. */
  registered(user: SessionUser, device: Device): Promise<number>
}

type Deps = {
  archive: Pick<Archive, 'overlay' | 'overlays'>
  audit: { append(entry: AuditEntry): Promise<unknown> }
  doors: { quarantine(user: SessionUser): Promise<QuarantineEntry[]> }
  federation: Pick<Federation, 'policy'>
  self: { oid: OrganizationOid }
  clock: () => number
}

export function createCorrectionDoors(deps: Deps): CorrectionDoors {
  return {
    overlay: (user, request, why) => overlay(deps, { user, request, why }),
    overlays: (user, filter) => history(deps, user, filter),
    registered: (user, device) => registered(deps, user, device),
  }
}

function who(user: SessionUser, { oid }: Deps['self']) {
  return {
    organization: oid,
    user: user.uid,
    role: user.roles.join(' ').slice(0, 32),
    source: (user.workstation === '' ? user.address : user.workstation).slice(0, 128),
    holder: oid,
  }
}

type Asked = { user: SessionUser; request: OverlayRequest; why: Why }

async function overlay(deps: Deps, { user, request, why }: Asked): Promise<Overlay[]> {
  const { archive, audit, federation, self, clock } = deps
  const reverted = await revertedBy(deps, user, request)
  const act = actOf(request, reverted)
  const asked = { user, self: self.oid, now: clock(), policy: federation.policy() }
  const decision = authorizeCorrection({ ...asked, act, ...why })
  const study = studyOf(request, reverted)
  const entry = {
    ...who(user, self),
    event: eventOf(act),
    detail: detailOf(request, reverted),
    ...(study !== undefined && { study }),
  }
  if (!decision.ok) {
    const { code } = decision
    await audit.append({ ...entry, outcome: 'denied', code })
    if (code === 'bad_request') throw new WrongRequest('reason: must be given')
    throw refusal(code, 'not to be corrected')
  }
  await audit.append({ ...entry, outcome: 'success' })
  try {
    return await archive.overlay(decision.grant, request)
  } catch (error) {
    await audit.append({ ...entry, outcome: 'failure', code: codeOf(error) })
    throw error
  }
}

/** What a revert is about decides who may ask for it. Whoever may not look at corrections may not revert them. */
async function revertedBy(
  deps: Deps,
  user: SessionUser,
  request: OverlayRequest,
): Promise<Overlay | undefined> {
  if (request.kind !== 'revert') return undefined
  const proof = await allowHistory(deps, user)
  const [found] = await deps.archive.overlays(proof, {
    number: request.reverts,
    limit: 1,
    offset: 0,
  })
  if (found === undefined) throw new ProtocolError('not_found', 'no such overlay')
  const { revertedBy: _, ...overlay } = found
  return overlay
}

async function allowHistory({ audit, federation, self, clock }: Deps, user: SessionUser) {
  const facts = { user, self: self.oid, now: clock(), policy: federation.policy() }
  const decision = authorizeCorrection({ ...facts, act: 'history', reason: '' })
  if (decision.ok) return decision.grant
  const { code } = decision
  await audit.append({ ...who(user, self), event: 'query', outcome: 'denied', code })
  throw refusal(code, 'not to be looked at')
}

async function history(
  deps: Deps,
  user: SessionUser,
  filter: OverlayFilter,
): Promise<OverlayEntry[]> {
  const proof = await allowHistory(deps, user)
  const found = await deps.archive.overlays(proof, filter)
  const detail = `corrections: ${found.length}`
  await deps.audit.append({
    ...who(user, deps.self),
    event: 'query',
    outcome: 'success',
    detail,
    ...(filter.study !== undefined && { study: filter.study }),
  })
  return found
}

const events = {
  demographics: 'correction',
  attributes: 'correction',
  patients: 'patient-merge',
  rejection: 'study-rejected',
  quarantine: 'quarantine-release',
  history: 'query',
} as const satisfies Record<CorrectionAct, AuditEntry['event']>
const eventOf = (act: CorrectionAct): AuditEntry['event'] => events[act]

/** What was done, without a word about the patient. */
function detailOf(request: OverlayRequest, reverted?: Overlay): string {
  const { kind } = request
  const words: Record<OverlayRequest['kind'], () => string> = {
    correct: () => {
      const tags = kind === 'correct' ? request.attributes.map(({ tag }) => tag) : []
      return `${kind === 'correct' ? request.target.level : ''} ${tags.join(' ')}`
    },
    merge: () => 'merge',
    reject: () => (kind === 'reject' ? `${request.target.level} ${request.code}` : ''),
    release: () => (kind === 'release' ? `${request.as}: ${request.entries.length}` : ''),
    revert: () => `revert ${reverted?.kind ?? ''} ${kind === 'revert' ? request.reverts : ''}`,
  }
  return words[kind]().slice(0, 200)
}

function studyOf(request: OverlayRequest, reverted?: Overlay): string | undefined {
  const target = 'target' in request ? request.target : reverted?.target
  return target === undefined || target.level === 'patient' ? undefined : target.study
}

async function registered(deps: Deps, user: SessionUser, device: Device): Promise<number> {
  const from = startOf(device)
  const isIn = createMembership(device.addresses)
  const waiting = (await deps.doors.quarantine(user)).filter(
    ({ reason, origin, receivedAt }) =>
      reason === 'unknown-device' &&
      origin.kind === 'dimse' &&
      origin.callingAe === device.aeTitle &&
      receivedAt >= from &&
      isIn(origin.address),
  )
  const why = { reason: `device ${device.id} was registered` }
  let released = 0
  for (const [, entries] of Map.groupBy(waiting, ({ study }) => study)) {
    for (let at = 0; at < entries.length; at += overlayLimits.quarantinedMax) {
      const some = entries.slice(at, at + overlayLimits.quarantinedMax).map(({ id }) => id)
      const request = { kind: 'release', entries: some, as: 'received' } as const
      try {
        await overlay(deps, { user, request, why })
        released += some.length
      } catch (error) {
        // Somebody has to decide about these; they stay where they are.
        if (codeOf(error) !== 'conflict') throw error
      }
    }
  }
  return released
}

/** Whether an address is one of these, or in one of these networks. */
function createMembership(addresses: readonly string[]): (address: string) => boolean {
  const list = new BlockList()
  for (const entry of addresses) {
    const [address = '', prefix] = entry.split('/')
    const family = isIP(address)
    if (family === 0) continue
    const bits = prefix === undefined ? (family === 4 ? 32 : 128) : Number(prefix)
    list.addSubnet(address, bits, family === 4 ? 'ipv4' : 'ipv6')
  }
  return (address) => {
    const family = isIP(address)
    return family !== 0 && list.check(address, family === 4 ? 'ipv4' : 'ipv6')
  }
}
