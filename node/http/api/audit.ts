import { z } from 'zod'
import { AuditEvent } from '#protocol/audit-event.ts'
import { StudyUid } from '#protocol/ids.ts'
import { auditLimits, httpLimits } from '#protocol/limits.ts'
import type { AuditLog } from '../../access/audit-log.ts'
import { defineRoute, type Route } from '../routes.ts'

const Query = z.strictObject({
  study: StudyUid.exactOptional(),
  user: z.string().max(128).exactOptional(),
  event: AuditEvent.shape.event.exactOptional(),
  outcome: AuditEvent.shape.outcome.exactOptional(),
  after: z.coerce.number().int().min(0).default(0),
  limit: z.coerce
    .number()
    .int()
    .min(1)
    .max(auditLimits.resultsMax)
    .default(httpLimits.resultsDefault),
})

export function auditRoutes({
  audit,
}: {
  audit: Pick<AuditLog, 'append' | 'count' | 'list'>
}): Route[] {
  return [
    defineRoute({
      method: 'get',
      path: '/api/audit',
      summary: 'Who read what, and who was refused; oldest first, after a number',
      access: ['mo_admin', 'security_auditor'],
      query: Query,
      // With the newest number a page can begin at the end.
      answer: z.strictObject({ events: z.array(AuditEvent), newest: z.int() }),
      async handle({ query: { after, limit, ...filter }, user }) {
        // Reading the audit is a use of it too (PS3.15 A.5.3.2).
        await audit.append({
          event: 'audit-log-used',
          outcome: 'success',
          organization: user.organization,
          user: user.uid,
          role: user.roles[0] ?? '',
          source: user.address,
          holder: user.organization,
          ...(filter.study === undefined ? {} : { study: filter.study }),
          detail: 'audit log',
        })
        return { events: await audit.list({ after, limit, filter }), newest: audit.count() }
      },
    }),
  ]
}
