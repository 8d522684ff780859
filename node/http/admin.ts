import Koa from 'koa'
import type { AuditExportStatus } from '#protocol/audit-message.ts'
import type { Log } from '../log.ts'
import type { Records } from '../store/records.ts'
import { createErrors } from './errors.ts'
import { createSecurityHeaders } from './headers.ts'
import type { Served } from './listen.ts'
import { formatMetrics, processMetrics, type Metric } from './metrics.ts'

/** The administrative interface, on an address of its own that only monitoring reaches: `/metrics` and `/health`. */
export function createAdmin(deps: {
  collect: () => Promise<readonly Metric[]>
  auditExport?: { status(): AuditExportStatus } | undefined
  records: Pick<Records, 'unreadable'>
  log: Log
}): Served {
  const app = new Koa()
  app.use(createSecurityHeaders({ isSecure: false }))
  app.use(createErrors(deps.log))
  app.use(async (ctx) => {
    if (ctx.path === '/health') {
      const auditExport = deps.auditExport?.status()
      const unreadable = [...deps.records.unreadable()].filter(([, rows]) => rows > 0)
      ctx.body = {
        status: 'up',
        ...(auditExport !== undefined && { auditExport }),
        ...(unreadable.length > 0 && { unreadable: Object.fromEntries(unreadable) }),
      }
    }
    if (ctx.path !== '/metrics') return
    ctx.type = 'text/plain; version=0.0.4; charset=utf-8'
    ctx.body = formatMetrics([...(await deps.collect()), ...processMetrics()])
  })
  return { handler: app.callback() }
}
