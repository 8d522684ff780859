import { z } from 'zod'
import { httpLimits } from '#protocol/limits.ts'
import type { AuditLog } from '../../access/audit-log.ts'
import { Reconciled, reconciledStates, type Reconciliation } from '../../access/reconciliation.ts'
import { defineRoute, type Route } from '../routes.ts'

const Query = z.strictObject({
  limit: z.coerce
    .number()
    .int()
    .min(1)
    .max(httpLimits.resultsMax)
    .default(httpLimits.resultsDefault),
  /** Only days that came out so. */
  state: z.enum(reconciledStates).exactOptional(),
})

export function reconciliationRoutes({
  audit,
  reconciliation,
}: {
  audit: Pick<AuditLog, 'append'>
  reconciliation: Pick<Reconciliation, 'list'>
}): Route[] {
  return [
    defineRoute({
      method: 'get',
      path: '/api/reconciliation',
      summary: 'How our audit and other organizations’ agreed, day by day; the newest first',
      access: ['mo_admin', 'security_auditor'],
      query: Query,
      answer: z.strictObject({ days: z.array(Reconciled) }),
      async handle({ query: { limit, state }, user }) {
        await audit.append({
          event: 'audit-log-used',
          outcome: 'success',
          organization: user.organization,
          user: user.uid,
          role: user.roles[0] ?? '',
          source: user.address,
          holder: user.organization,
          detail: 'comparison of audits',
        })
        return { days: await reconciliation.list(limit, state) }
      },
    }),
  ]
}
