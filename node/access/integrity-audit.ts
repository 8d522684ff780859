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

/** Whatever was found damaged or put right in the archive, and what left it, is told to the audit. */
export function auditIntegrity(deps: {
  archive: Pick<Archive, 'on'>
  audit: Pick<AuditLog, 'append'>
  self: OrganizationOid
  log: Log
}): Disposable {
  const { archive, audit, self, log } = deps
  const stop = archive.on((event) => {
    const entry =
      event.kind === 'integrity'
        ? entryOf(event, self)
        : event.kind === 'moved'
          ? movedEntry(event, self)
          : undefined
    if (entry === undefined) return
    audit.append(entry).catch((error: unknown) => {
      log.error({ err: error }, 'what became of the archive could not be audited')
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

/** The bytes were transferred when they were sent; now they are there only. */
const movedEntry = (
  { study, instances, bytes, to }: Extract<ArchiveEvent, { kind: 'moved' }>,
  self: OrganizationOid,
): AuditEntry => ({
  event: 'instances-transferred',
  outcome: 'success',
  organization: self,
  user: '',
  role: '',
  source: '',
  holder: self,
  study,
  instances,
  bytes,
  detail: `retention: they are only there now: ${to.join(', ')}`.slice(0, 200),
})
