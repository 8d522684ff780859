import type { AuditEntry } from '#protocol/audit-event.ts'
import { authorizeDevice, authorizeDeviceSearch, type DeviceFacts } from '#protocol/authorize.ts'
import { ProtocolError } from '#protocol/errors.ts'
import type { ErrorCode } from '#protocol/errors.ts'
import type { OrganizationOid, StudyUid } from '#protocol/ids.ts'
import type { Archive, Query, QueryResult, StudyReader } from '../archive/archive.ts'
import { isCaller, servicesOf, startOf } from '../apparatus.ts'
import type { Device } from '../config.ts'
import { createListAudit } from './list-audit.ts'

/** A device as its association proved it. */
export type DeviceCaller = { device: string; ae: string; address: string; certificate?: string }

/** One retrieval: of how many instances of a study, how long they are, and where they go. */
export type Transfer = { study: StudyUid; instances: number; bytes: number; detail: string }

/**
 * The only ways from a registered device to images and lists of its organization. The register is asked anew each time:
 * what was taken from a device's entry since ends at once. Every refusal is `forbidden`; the audit knows why.
 */
export type DeviceDoors = {
  /** Who retrieves may look for what to retrieve, whether or not it may query. */
  search(caller: DeviceCaller, query: Query, purpose: 'query' | 'retrieve'): Promise<QueryResult>
  open(caller: DeviceCaller, study: StudyUid): Promise<StudyReader>
  /** Must be written before the first byte leaves. */
  transferring(caller: DeviceCaller, transfer: Transfer): Promise<void>
  transferred(
    caller: DeviceCaller,
    transfer: Transfer,
    outcome: 'success' | 'failure',
  ): Promise<void>
}

export function createDeviceDoors(deps: {
  archive: Pick<Archive, 'facts' | 'open' | 'search'>
  audit: { append(entry: AuditEntry): Promise<unknown> }
  /** The register (form № 4). */
  devices: { get(id: string): Device | undefined }
  self: { oid: OrganizationOid }
  clock: () => number
}): DeviceDoors {
  const { archive, audit, devices, self, clock } = deps

  const factsOf = (caller: DeviceCaller): DeviceFacts => {
    const device = devices.get(caller.device)
    const facts = { now: clock(), self: self.oid }
    if (device === undefined) return { ...facts, isCallerOwn: false }
    return {
      ...facts,
      device: { id: device.id, startsAt: startOf(device), services: servicesOf(device) },
      isCallerOwn: isCaller(device, caller),
    }
  }
  const listed = createListAudit(audit)
  const entryOf = (caller: DeviceCaller) => entryBy(caller, self.oid)
  const record = async (
    caller: DeviceCaller,
    entry: Pick<AuditEntry, 'event' | 'outcome'> & Partial<AuditEntry>,
  ): Promise<void> => {
    await audit.append({ ...entryOf(caller), ...entry })
  }
  const refuse = async (
    caller: DeviceCaller,
    entry: { event: AuditEntry['event']; code: ErrorCode; study?: StudyUid },
  ): Promise<never> => {
    await record(caller, { ...entry, outcome: 'denied' })
    throw new ProtocolError('forbidden', 'not for this device')
  }

  return {
    async search(caller, query, purpose) {
      const decision = authorizeDeviceSearch(factsOf(caller), purpose)
      if (!decision.ok) return await refuse(caller, { event: 'query', code: decision.code })
      const result = await archive.search(decision.grant, query)
      const detail = `${purpose} ${query.level}: ${result.matches.length}`
      await listed({ ...entryOf(caller), event: 'query', outcome: 'success', detail })
      return result
    },
    async open(caller, study) {
      const held = await archive.facts(study)
      const decision = authorizeDevice({
        ...factsOf(caller),
        ...(held !== undefined && { study: held }),
      })
      const event = 'study-opened'
      if (!decision.ok) return await refuse(caller, { event, code: decision.code, study })
      await record(caller, { event, outcome: 'success', study })
      return await archive.open(decision.grant)
    },
    async transferring(caller, { detail, ...transfer }) {
      const about = { ...transfer, detail: detail.slice(0, 200) }
      await record(caller, { event: 'begin-transferring', outcome: 'success', ...about })
    },
    async transferred(caller, { detail, ...transfer }, outcome) {
      const about = { ...transfer, detail: detail.slice(0, 200) }
      await record(caller, { event: 'instances-transferred', outcome, ...about })
    },
  }
}

const entryBy = ({ ae, address }: DeviceCaller, oid: OrganizationOid) => ({
  organization: oid,
  user: ae,
  role: 'device',
  source: address,
  holder: oid,
})
