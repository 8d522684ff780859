import path from 'node:path'
import { auditCodes, privateCode, type AuditMessage } from '#protocol/audit-message.ts'
import { openAuditExport, type AuditExport } from '#protocol/transport/audit-export.ts'
import type { Audit, AuditRecord } from './audit.ts'
import type { RegistryConfig } from './config.ts'
import type { Log } from './log.ts'

const { userAuthentication, login, logout, securityAlert } = auditCodes
const kinds: Record<string, Pick<AuditMessage, 'event' | 'types'>> = {
  login: { event: userAuthentication, types: [login] },
  logout: { event: userAuthentication, types: [logout] },
  'security-alert': { event: securityAlert },
}

/** One record of the registry in the vocabulary of PS3.15; what the operator does with forms has no code there. */
export function messageOf(record: AuditRecord): AuditMessage {
  const { seq, at, actor, role, source, action, subject, outcome, detail } = record
  return {
    ...(kinds[action] ?? { event: privateCode(action) }),
    action: 'E',
    at,
    outcome,
    participants: [
      {
        user: actor,
        isRequestor: true,
        roles: role === '' ? [] : [privateCode(role)],
        from: source,
      },
    ],
    source: { site: 'registry', id: 'registry' },
    objects: [
      {
        id: `registry/${seq}`,
        idType: privateCode('audit-record'),
        type: 2,
        role: 13,
        name: 'audit record',
        details: { subject, detail },
      },
    ],
  }
}

/** Sends the registry's audit on, when the configuration says where to. */
export async function exportAudit(
  { auditExport, dataDir }: Pick<RegistryConfig, 'auditExport' | 'dataDir'>,
  audit: Pick<Audit, 'count' | 'list'>,
  log: Log,
): Promise<AuditExport | undefined> {
  if (auditExport === undefined) return undefined
  return await openAuditExport({
    config: auditExport,
    program: 'cami-registry',
    positionFile: path.join(dataDir, 'audit-exported'),
    log,
    source: {
      newest: audit.count,
      read: async (after, limit) =>
        (await audit.list({ after, limit })).map((record) => ({
          seq: record.seq,
          message: messageOf(record),
        })),
    },
  })
}
