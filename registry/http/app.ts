import type { RequestListener } from 'node:http'
import Koa, { type Middleware } from 'koa'
import { codeOf } from '#protocol/errors.ts'
import type { AuditExportStatus } from '#protocol/audit-message.ts'
import type { RegistryConfig } from '../config.ts'
import type { Desks } from '../desks.ts'
import { nameIn } from '../desks.ts'
import type { Log } from '../log.ts'
import type { Operator } from '../operator.ts'
import type { Transparency } from '../transparency/transparency.ts'
import { accessRequestRoutes } from './api/access-requests.ts'
import { administrationRoutes } from './api/administration.ts'
import { citoRoutes } from './api/cito.ts'
import { deviceNoticeRoutes, deviceRoutes } from './api/device-notices.ts'
import { enrollmentRoutes } from './api/enrollments.ts'
import { federationRoutes } from './api/federation.ts'
import type { FederationDeps } from './api/federation.ts'
import { noticeRoutes } from './api/notices.ts'
import { organizationRoutes } from './api/organizations.ts'
import { restrictionRoutes } from './api/restrictions.ts'
import { sessionRoutes } from './api/session.ts'
import { transparencyRoutes } from './api/transparency.ts'
import { createAuthentication, createHostCheck } from './authentication.ts'
import type { State } from './authentication.ts'
import { createErrors } from './errors.ts'
import { logFiles } from './log-files.ts'
import { openApi } from './openapi.ts'
import { createApiRouter, defineOpenRoute } from './routes.ts'
import type { Route } from './routes.ts'
import { createScreens } from './screens.ts'

/** What the registry says of itself to anybody. */
export type RegistryStatus = () => {
  peerId: string
  members: number
  online: number
  auditExport?: AuditExportStatus
}

export type AppDeps = Desks &
  FederationDeps & {
    config: RegistryConfig['http']
    operator: Operator
    status: RegistryStatus
    transparency: Pick<Transparency, 'kept' | 'status'>
    clock: () => number
    log: Log
  }

/** The registry's HTTP interface: the operator's office as a JSON API, and the screens that use it. */
export function createApp(deps: AppDeps): RequestListener {
  const { config, status, sessions, audit, clock, log } = deps
  const app = new Koa<State>()
  app.on('error', (error: unknown) => log.debug({ code: codeOf(error) }, 'answer ended early'))
  app.use(securityHeaders(config.secureCookie))
  app.use(createErrors(log))
  app.use(createHostCheck(config.allowedHosts))
  app.use(createScreens(config.screensDir, clock))
  app.use(logFiles(deps.transparency))
  app.use(open(status))
  app.use(createAuthentication(sessions, config))
  app.use(createApiRouter(routesOf(deps), audit).routes() as Middleware<State>)
  return app.callback()
}

export function routesOf(deps: AppDeps): Route[] {
  const { config, organizations, trust } = deps
  const routes = [
    ...sessionRoutes({
      ...deps,
      cookie: config,
      needsSecondFactor: () => trust.list().policy.secondFactor === 'required',
    }),
    ...enrollmentRoutes(deps),
    ...deviceNoticeRoutes(deps),
    ...deviceRoutes(deps),
    ...accessRequestRoutes({ ...deps, nameOf: nameIn(organizations) }),
    ...noticeRoutes(deps),
    ...organizationRoutes(deps),
    ...restrictionRoutes(deps),
    ...citoRoutes(deps),
    ...administrationRoutes(deps),
    ...transparencyRoutes(deps),
    ...federationRoutes(deps),
  ]
  const description: Route = defineOpenRoute({
    method: 'get',
    path: '/api/openapi.json',
    summary: 'This description',
    handle: async (): Promise<unknown> => openApi([...routes, description], '0.1.0'),
  })
  return [...routes, description]
}

const open =
  (status: RegistryStatus): Middleware =>
  async (ctx, next) => {
    const { peerId, members, online, ...rest } = status()
    if (ctx.path === '/health') ctx.body = { status: 'ok', peerId, members, online, ...rest }
    else if (ctx.path === '/') {
      ctx.type = 'text/plain; charset=utf-8'
      ctx.body = `CAMI registry\npeer ${peerId}\norganizations ${members}, connected ${online}\n`
    } else await next()
  }

const securityHeaders =
  (isSecure: boolean): Middleware =>
  async (ctx, next) => {
    ctx.set({
      'Cache-Control': 'no-store',
      'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
      'Cross-Origin-Opener-Policy': 'same-origin',
      'Cross-Origin-Resource-Policy': 'same-origin',
      'Referrer-Policy': 'no-referrer',
      'X-Content-Type-Options': 'nosniff',
      'X-Frame-Options': 'DENY',
      ...(isSecure && { 'Strict-Transport-Security': 'max-age=31536000' }),
    })
    await next()
  }
