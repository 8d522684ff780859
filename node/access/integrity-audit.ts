import type { AuditEntry } from '#protocol/audit-event.ts'
import type { OrganizationOid } from '#protocol/ids.ts'
import type { Archive, ArchiveEvent } from '../archive/archive.ts'
import type { Log } from '../log.ts'
import type { AuditLog } from './audit-log.ts'

type Integrity = Extract<ArchiveEvent, { kind: 'integrity' }>

const details = {
  damaged: 'integrity: stored bytes no longer match their digest, and no copy was found',
  repaired: 'integrity: stored bytes did not match their digest and were replaced by a copy',
  'catalog-repaired': 'integrity: rows of the catalog were put right from the value log',
} as const

/** Whatever was found damaged or put right in the archive is told to the audit. */
export function auditIntegrity(deps: {
  archive: Pick<Archive, 'on'>
  audit: Pick<AuditLog, 'append'>
  self: OrganizationOid
  log: Log
}): Disposable {
  const { archive, audit, self, log } = deps
  const stop = archive.on((event) => {
    if (event.kind !== 'integrity') return
    audit.append(entryOf(event, self)).catch((error: unknown) => {
      log.error({ err: error }, 'damage in the archive could not be audited')
    })
  })
  return { [Symbol.dispose]: stop }
}

const entryOf = ({ finding, study, rows }: Integrity, self: OrganizationOid): AuditEntry => ({
  event: 'security-alert',
  outcome: finding === 'damaged' ? 'failure' : 'success',
  code: 'storage_corrupt',
  organization: self,
  user: '',
  role: '',
  source: '',
  holder: self,
  ...(study !== undefined && { study }),
  detail: rows === undefined ? details[finding] : `${details[finding]} (${rows})`,
})
