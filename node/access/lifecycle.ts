import type { AuditEntry } from '#protocol/audit-event.ts'
import type { OrganizationOid } from '#protocol/ids.ts'

/** The records between which a node was running. */
export const lifecycle = (
  oid: OrganizationOid,
  event: 'application-start' | 'application-stop',
): AuditEntry => ({
  event,
  outcome: 'success',
  organization: oid,
  user: '',
  role: '',
  source: '',
  holder: oid,
})
