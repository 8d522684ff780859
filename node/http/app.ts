import Koa, { type Middleware } from 'koa'
import { Router, type RouterMiddleware } from '@koa/router'
import { codeOf } from '#protocol/errors.ts'
import type { Accounts } from '../access/accounts.ts'
import type { CorrectionDoors } from '../access/correction-doors.ts'
import type { AuditLog } from '../access/audit-log.ts'
import type { Doors } from '../access/doors.ts'
import type { Federation } from '../access/federation.ts'
import type { SecondFactors } from '../access/second-factors.ts'
import type { Emergencies } from '../access/emergencies.ts'
import type { EmergencyDoors } from '../access/emergency-doors.ts'
import type { AccessRequests } from '../access/access-requests.ts'
import type { Reconciliation } from '../access/reconciliation.ts'
import type { Restrictions } from '../access/restrictions.ts'
import type { RemoteArchiveDoors } from '../access/remote-archive-doors.ts'
import type { QualityDoors } from '../access/quality-doors.ts'
import type { Sessions } from '../access/sessions.ts'
import type { NodeConfig } from '../config.ts'
import type { Log } from '../log.ts'
import type { DeviceClocks } from '../store/device-clocks.ts'
import type { DeviceRegister } from '../store/device-register.ts'
import { accessRequestRoutes } from './api/access-requests.ts'
import { archiveRoutes } from './api/archives.ts'
import { accountRoutes } from './api/accounts.ts'
import { auditRoutes } from './api/audit.ts'
import { correctionRoutes } from './api/corrections.ts'
import { deviceRoutes } from './api/devices.ts'
import { emergencyRoutes } from './api/emergencies.ts'
import { grantRoutes, type GrantDeps, type Grants } from './api/grants.ts'
import { mediaRoutes, type Media } from './api/media.ts'
import { quarantineRoutes } from './api/quarantine.ts'
import { qualityRoutes } from './api/quality.ts'
import { readingRoutes } from './api/reading.ts'
import { reconciliationRoutes } from './api/reconciliation.ts'
import { referralRoutes, type ReferralDeps } from './api/referrals.ts'
import { regionRoutes, type RegionStatus } from './api/region.ts'
import { restrictionRoutes, type RestrictionDeps } from './api/restrictions.ts'
import { secondFactorRoutes } from './api/second-factor.ts'
import { sendingRoutes, type Sending } from './api/sending.ts'
import { sessionRoutes } from './api/session.ts'
import { transferRoutes, type Transfers } from './api/transfer.ts'
import { createAuthentication, requireUser, type State } from './authentication.ts'
import { createCors } from './cors.ts'
import { createErrors } from './errors.ts'
import { createSecurityHeaders } from './headers.ts'
import { createHostCheck } from './hosts.ts'
import type { Served } from './listen.ts'
import { createRequestCounter, type RequestCounter } from './metrics.ts'
import { openApi } from './openapi.ts'
import { createRestricted } from './restricted.ts'
import { createApiRouter, defineOpenRoute, passivePaths, type Route } from './routes.ts'
import { createViewerFiles } from './viewer-files.ts'

export type AppDeps = {
  config: Pick<NodeConfig, 'organization' | 'http' | 'demo'>
  sessions: Omit<Sessions, 'count'>
  factors: Omit<SecondFactors, 'use'>
  accounts: Accounts
  audit: Pick<AuditLog, 'append' | 'count' | 'list'>
  doors: Pick<Doors, 'openStudy' | 'quarantine' | 'stillOpen'>
  corrections: CorrectionDoors
  federation: Grants &
    RestrictionDeps['federation'] &
    Pick<Federation, 'policy'> & { status(): RegionStatus }
  renewals: GrantDeps['renewals']
  accessRequests: AccessRequests
  restrictions: Pick<Restrictions, 'check' | 'current'>
  reconciliation: Pick<Reconciliation, 'list'>
  emergencies: Pick<Emergencies, 'isOffered' | 'offer' | 'list' | 'stop' | 'review'>
  emergencyDoors: EmergencyDoors
  transfers: Transfers
  devices: Pick<DeviceRegister, 'list' | 'get' | 'put'>
  clocks: Pick<DeviceClocks, 'suggestions'>
  referrals: ReferralDeps['referrals']
  procedureSteps: ReferralDeps['procedureSteps']
  sending: Sending
  media: Media
  archives: Omit<RemoteArchiveDoors, typeof Symbol.asyncDispose>
  quality: QualityDoors
  /** Routes of PS3.18, relative to `/dicom-web`. */
  dicomweb: { routes(): unknown }
  log: Log
  clock?: () => number
  counter?: RequestCounter
}

/** The node's HTTP interface: `/api`, `/dicom-web`, `/health`, and the viewer. */
export function createApp(deps: AppDeps): Served & { readonly routes: readonly Route[] } {
  const { config, log, clock = Date.now, counter = createRequestCounter() } = deps
  const stopping = new AbortController()
  const routes = routesOf(deps, stopping.signal)
  const isPassive = passivePaths(routes)
  const authenticate = createAuthentication({
    sessions: deps.sessions,
    cookie: config.http,
    isPassive,
  })

  const app = new Koa<State>()
  app.on('error', (error: unknown) => {
    // What fails after the answer began: mostly readers that went away.
    log.debug({ code: codeOf(error) }, 'answer ended early')
  })
  app.use(counter.middleware)
  app.use(createSecurityHeaders({ isSecure: config.http.secureCookie }))
  app.use(createErrors(log))
  app.use(createHostCheck(config.http.allowedHosts))
  app.use(below(['/dicom-web'], createCors(config.http.allowedOrigins)))
  app.use(health)
  app.use(below(['/api', '/dicom-web'], authenticate))
  app.use(below(['/api', '/dicom-web'], createRestricted(deps.restrictions)))
  app.use(
    below(['/api'], createApiRouter(routes, { ...deps, clock }).routes() as Middleware<State>),
  )
  app.use(below(['/dicom-web'], signedIn))
  app.use(below(['/dicom-web'], mounted(deps.dicomweb)))
  app.use(createViewerFiles(config.http.viewerDir, clock))
  return { handler: app.callback(), stop: () => stopping.abort(), routes }
}

function routesOf(deps: AppDeps, stopping: AbortSignal): Route[] {
  const { config, doors, transfers } = deps
  const routes = [
    ...sessionRoutes(deps),
    ...secondFactorRoutes(deps),
    ...regionRoutes(deps),
    ...transferRoutes({ doors, transfers, self: config.organization.oid, stopping }),
    ...readingRoutes(deps),
    ...auditRoutes(deps),
    ...reconciliationRoutes(deps),
    ...grantRoutes(deps),
    ...restrictionRoutes(deps),
    ...emergencyRoutes(deps),
    ...accessRequestRoutes(deps),
    ...quarantineRoutes(deps),
    ...correctionRoutes(deps),
    ...deviceRoutes(deps),
    ...referralRoutes(deps),
    ...sendingRoutes(deps),
    ...accountRoutes(deps),
    ...mediaRoutes(deps),
    ...archiveRoutes(deps),
    ...qualityRoutes(deps),
  ]
  const description: Route = defineOpenRoute({
    method: 'get',
    path: '/api/openapi.json',
    summary: 'This description',
    handle: async (): Promise<unknown> => openApi([...routes, description], '0.1.0'),
  })
  return [...routes, description]
}

const health: Middleware = async (ctx, next) => {
  if (ctx.path === '/health') ctx.body = { status: 'up' }
  else await next()
}

const signedIn: Middleware<State> = async (ctx, next) => {
  requireUser(ctx)
  await next()
}

/**
 * For these paths and those below them, compared exactly. Routers ignore case, so one that could be reached past this
 * would serve what nobody was asked to sign in for.
 */
function below(places: readonly string[], middleware: Middleware<State>): Middleware<State> {
  return (ctx, next) => {
    const isBelow = places.some((place) => ctx.path === place || ctx.path.startsWith(`${place}/`))
    return isBelow ? middleware(ctx, next) : next()
  }
}

function mounted(dicomweb: { routes(): unknown }): Middleware<State> {
  const root = new Router()
  root.use('/dicom-web', dicomweb.routes() as RouterMiddleware)
  return root.routes() as unknown as Middleware<State>
}
