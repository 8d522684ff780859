import type { AuditEntry } from '#protocol/audit-event.ts'
import { codeOf, ProtocolError } from '#protocol/errors.ts'
import type { OrganizationOid } from '#protocol/ids.ts'
import type { Archive } from '../archive/archive.ts'
import type { Doors } from './doors.ts'
import type { EmergencyRequest, OwnEmergencies } from './own-emergencies.ts'
import type { Peers } from './peers.ts'
import type { SessionUser } from './session-user.ts'

/** The way to one study of another organization that no grant covers. */
export type EmergencyDoors = {
  /** Whether this holder lets people in so; false too where it cannot be asked. */
  isOfferedBy(holder: OrganizationOid): Promise<boolean>
  /** Resolves when the holder has admitted her, with the end. Throws `forbidden` and `rate_limited`; both are audited. */
  open(user: SessionUser, request: EmergencyRequest): Promise<{ until: number }>
}

export function createEmergencyDoors(deps: {
  archive: Pick<Archive, 'facts'>
  audit: { append(entry: AuditEntry): Promise<unknown> }
  doors: Pick<Doors, 'openStudy'>
  peers: Pick<Peers, 'connect'>
  ownEmergencies: OwnEmergencies
  self: OrganizationOid
}): EmergencyDoors {
  const { archive, audit, doors, peers, ownEmergencies, self } = deps
  return {
    async isOfferedBy(holder) {
      try {
        const connection = await peers.connect(holder)
        return (await connection.request('emergency.get', {})).offered
      } catch {
        return false
      }
    },
    async open(user, request) {
      const { study, holder } = request
      if (holder === self || (await archive.facts(study)) !== undefined) {
        throw new ProtocolError('conflict', 'a study of this organization')
      }
      const opened = ownEmergencies.open(user, request)
      const entry = { ...who(user, self), holder, study, grant: opened.id }
      try {
        // In our own audit before the holder hears of it; the holder has its own.
        await audit.append({ ...entry, event: 'emergency-started', outcome: 'success' })
        await using _ = await doors.openStudy(user, study, 'opening')
      } catch (error) {
        ownEmergencies.forget(user, study)
        const code = codeOf(error)
        const outcome = code === 'forbidden' ? 'denied' : 'failure'
        await audit.append({ ...entry, event: 'emergency-stopped', outcome, code })
        throw error
      }
      return { until: opened.until }
    },
  }
}

const who = ({ uid, roles, workstation, address }: SessionUser, organization: OrganizationOid) => ({
  organization,
  user: uid,
  role: roles.join(' ').slice(0, 32),
  source: (workstation === '' ? address : workstation).slice(0, 128),
})
