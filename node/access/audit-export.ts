import path from 'node:path'
import { messageOf } from '#protocol/audit-message.ts'
import { openAuditExport, type AuditExport } from '#protocol/transport/audit-export.ts'
import type { NodeConfig } from '../config.ts'
import type { Log } from '../log.ts'
import type { AuditLog } from './audit-log.ts'

/** Sends this node's audit on, when the configuration says where to. */
export async function exportAudit({
  config,
  audit,
  log,
}: {
  config: Pick<NodeConfig, 'auditExport' | 'dataDir' | 'organization'>
  audit: Pick<AuditLog, 'count' | 'list'>
  log: Log
}): Promise<AuditExport | undefined> {
  if (config.auditExport === undefined) return undefined
  const { oid } = config.organization
  return await openAuditExport({
    config: config.auditExport,
    program: 'cami-node',
    positionFile: path.join(config.dataDir, 'audit-exported'),
    log,
    source: {
      newest: audit.count,
      read: async (after, limit) =>
        (await audit.list({ after, limit })).map((record) => ({
          seq: record.seq,
          message: messageOf(record, oid),
        })),
    },
  })
}
