import type { AuditExportStatus } from '#protocol/audit-message.ts'
import type { AuditLog } from '../access/audit-log.ts'
import type { Reconciliation } from '../access/reconciliation.ts'
import type { Sessions } from '../access/sessions.ts'
import type { Archive } from '../archive/archive.ts'
import type { Records } from '../store/records.ts'
import type { RegionStatus } from './api/region.ts'
import { gauge, type Metric, type RequestCounter } from './metrics.ts'

/** What a node tells its monitoring: counts and sizes, nobody's data. */
export function createCollector(deps: {
  archive: Pick<Archive, 'counts' | 'integrity'>
  audit: Pick<AuditLog, 'count' | 'damage'>
  sessions: Pick<Sessions, 'count'>
  federation: { status(): RegionStatus }
  reconciliation: Pick<Reconciliation, 'mismatched'>
  records: Pick<Records, 'unreadable'>
  auditExport?: { status(): AuditExportStatus } | undefined
  /** Associations of modalities that are open now. */
  associations: () => number
  counter: RequestCounter
}): () => Promise<Metric[]> {
  return async () => {
    const { studies, instances, bytes, quarantined } = await deps.archive.counts()
    const scrub = await deps.archive.integrity()
    const { registry, holders } = deps.federation.status()
    const reachable = holders.filter((holder) => holder.reachable).length
    return [
      gauge('cami_archive_studies', 'Studies in the archive', studies),
      gauge('cami_archive_instances', 'Instances in the archive', instances),
      gauge('cami_archive_bytes', 'Bytes of instances in the archive', bytes),
      gauge('cami_archive_quarantined', 'Objects in quarantine', quarantined),
      gauge('cami_scrub_bytes_done', 'Bytes that this scrub has read', scrub.bytesDone),
      gauge('cami_scrub_bytes_total', 'Bytes that a scrub reads', scrub.bytesTotal),
      gauge('cami_scrub_repaired', 'Records that this scrub gave a new copy', scrub.repaired),
      gauge('cami_scrub_damaged', 'Records damaged beyond repair, this scrub', scrub.damaged),
      gauge('cami_scrub_rows', 'Rows of the catalog that this scrub put right', scrub.rows),
      gauge('cami_dimse_associations', 'Open DICOM associations', deps.associations()),
      gauge('cami_sessions', 'People signed in', deps.sessions.count()),
      gauge('cami_audit_records', 'Number of the newest audit record', deps.audit.count()),
      gauge(
        'cami_audit_damaged',
        '1 when opening found the audit damaged',
        deps.audit.damage === undefined ? 0 : 1,
      ),
      gauge(
        'cami_audit_mismatched_days',
        'Days with other organizations on which the audits disagree',
        deps.reconciliation.mismatched(),
      ),
      gauge(
        'cami_registry_reachable',
        '1 while the registry is connected',
        registry.reachable ? 1 : 0,
      ),
      gauge('cami_holders', 'Other organizations that are known', holders.length),
      gauge('cami_holders_reachable', 'Other organizations that are connected', reachable),
      unreadableMetric(deps.records.unreadable()),
      ...exportMetrics(deps.auditExport?.status()),
      ...deps.counter.metrics(),
    ]
  }
}

const unreadableMetric = (counts: ReadonlyMap<string, number>): Metric => ({
  name: 'cami_records_unreadable',
  help: 'Records that could not be read and were not replaced since',
  type: 'gauge',
  samples: [...counts].map(([kind, value]) => ({ labels: { kind }, value })),
})

/** Nothing where the audit is not exported. */
function exportMetrics(status: AuditExportStatus | undefined): Metric[] {
  if (status === undefined) return []
  const { isConnected, confirmed, waiting, failures } = status
  return [
    gauge('cami_audit_export_connected', '1 while the receiver takes records', isConnected ? 1 : 0),
    gauge('cami_audit_export_waiting', 'Audit records that were not sent yet', waiting),
    gauge('cami_audit_export_confirmed', 'Number of the last record that arrived', confirmed),
    gauge('cami_audit_export_failures', 'Connections that failed since the start', failures),
  ]
}
