import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import http from 'node:http'
import os from 'node:os'
import path from 'node:path'
import { Readable } from 'node:stream'
import { Router } from '@koa/router'
import { z } from 'zod'
import { ProtocolError } from '#protocol/errors.ts'
import { OrganizationOid, type StudyUid } from '#protocol/ids.ts'
import type { Policy } from '#protocol/trust-list.ts'
import { createSeal } from '#protocol/secrets/seal.ts'
import { createAccounts, type Accounts } from '../access/accounts.ts'
import { openAuditLog, type AuditLog } from '../access/audit-log.ts'
import type { Doors } from '../access/doors.ts'
import { openSecondFactors } from '../access/second-factors.ts'
import { createSessions, type Sessions } from '../access/sessions.ts'
import type { StudyReader } from '../archive/archive.ts'
import { silentLog } from '../log.ts'
import { createAccessRequests } from '../access/access-requests.ts'
import { openEmergencies, type Emergencies } from '../access/emergencies.ts'
import { openRestrictions } from '../access/restrictions.ts'
import { openDeviceRegister } from '../store/device-register.ts'
import { openJobQueue } from '../store/job-queue.ts'
import { openProcedureSteps } from '../store/procedure-steps.ts'
import { openRecords, type Records } from '../store/records.ts'
import { openReferrals } from '../store/referrals.ts'
import { createApp, type AppDeps } from './app.ts'
import type { Transfer } from './api/transfer.ts'
import { listen } from './listen.ts'

/**
 * A node's HTTP interface over real records, accounts, sessions and audit, on a port of its own. Studies and the region
 * are not this folder's matter: the fixture says what there is of them.
 */
export const organization = {
  oid: OrganizationOid.parse('1.2.643.5.1.13.13.12.2.42.9001'),
  name: 'ГАУЗ «Областная больница»',
}
export const holder = OrganizationOid.parse('1.2.643.5.1.13.13.12.2.42.9002')
export const password = 'mn4x-7kqa-b2ss-pprw'
export const ownStudy = '1.2.840.1' as StudyUid
export const remoteStudy = '1.2.840.2' as StudyUid
const noFactor: Policy = { secondFactor: 'optional', staleAfterHours: 24, transparency: 'off' }
export const grantId = '01J0000000000000000000000A'

export const roles = [
  'radiologist',
  'mo_admin',
  'head_of_mo',
  'security_auditor',
  'radiographer',
] as const
export type TestRole = (typeof roles)[number]

export type TestNode = AsyncDisposable & {
  url: string
  port: number
  accounts: Accounts
  sessions: Sessions
  audit: AuditLog
  emergencies: Emergencies
  time: { now: number }
  /** Bytes of each upload that reached DICOMweb. */
  uploads: number[]
  openReaders: Set<StudyReader>
  transfer: { progress: Transfer; listeners: Set<(transfer: Transfer) => void> }
  as(role: TestRole): { authorization: string }
  get(path: string, headers?: Record<string, string>): Promise<Response>
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Response>
  /** A request as it is written, for headers and paths that `fetch` does not let through. */
  raw(options: http.RequestOptions & { body?: string }): Promise<RawAnswer>
  cookie(login?: string): Promise<string>
}
export type RawAnswer = { status: number; headers: http.IncomingHttpHeaders; text: string }

export async function openTestNode(
  settings: Partial<AppDeps['config']['http']> = {},
  /** Real parts of other folders, for tests of what is between. */
  parts: Partial<AppDeps> = {},
  { demo = true, policy = noFactor }: { demo?: boolean; policy?: Policy } = {},
): Promise<TestNode> {
  await using opened = new AsyncDisposableStack()
  const dir = await mkdtemp(path.join(os.tmpdir(), 'cami-http-'))
  opened.defer(() => rm(dir, { recursive: true, force: true }))
  const time = { now: Date.now() }
  const clock = () => time.now
  const records = opened.use(await openRecords(path.join(dir, 'records')))
  const audit = opened.use(await openAuditLog(path.join(dir, 'audit'), { clock }))
  const deps = { records, organization: organization.oid, clock, random: randomBytes }
  const people = await openPeople({ ...deps, audit })
  const { accounts, sessions } = people
  const studies = createStudies()
  const uploads: number[] = []
  const federation = { ...testFederation, policy: () => policy }
  const dicomweb = createDicomweb(uploads)
  const config = {
    organization,
    demo,
    http: { ...httpConfig(await writeViewer(dir)), ...settings },
  }
  const worklist = await openWorklist(deps)
  const others = {
    federation,
    dicomweb,
    media: noMedia,
    archives: noArchives,
    quality: noQuality,
    emergencyDoors: testEmergencyDoors,
    corrections: noCorrections,
    renewals: noRenewals,
    reconciliation: { list: () => Promise.resolve([]) },
  }
  const restrictions = await openRestrictions(records)
  const emergencies = await openTestEmergencies({ records, audit, now: clock })
  const accessRequests = createAccessRequests({
    registry: () => undefined,
    accounts,
    federation,
    clock,
  })
  const forms = { restrictions, accessRequests, emergencies }
  const rest = { ...worklist, ...others, ...forms, audit, log: silentLog, clock }
  const app = createApp({ config, ...people, ...studies.deps, ...rest, ...parts })
  const { url, port } = opened.use(await listen(app, { host: '127.0.0.1', port: 0 }))
  const client = createClient(url, port)
  const tokens = await signIn(client)
  const owned = opened.move()
  return {
    ...client,
    url,
    port,
    accounts,
    sessions,
    audit,
    emergencies,
    time,
    uploads,
    openReaders: studies.openReaders,
    transfer: studies.transfer,
    as: (role) => ({ authorization: `Bearer ${tokens.get(role)}` }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

const noRenewals = {
  keyOf: () => ({ state: 'named' as const }),
  renew: () => Promise.resolve({ jtis: [] }),
}

/** One person of each role. */
async function openPeople(
  deps: Omit<Parameters<typeof createSessions>[0], 'accounts' | 'factors'>,
) {
  const accounts = await createAccounts(deps)
  for (const role of roles) {
    const person = { name: role, position: '', department: '', roles: [role] }
    await accounts.create({ login: `${role}.okb`, password, ...person })
  }
  const seal = createSeal(randomBytes(32))
  const factors = await openSecondFactors({ ...deps, seal })
  return { accounts, factors, sessions: await createSessions({ ...deps, accounts, factors }) }
}

async function signIn(client: Pick<TestNode, 'post'>): Promise<ReadonlyMap<TestRole, string>> {
  const tokens = new Map<TestRole, string>()
  for (const role of roles) {
    const answer = await client.post('/api/session', { login: `${role}.okb`, password })
    tokens.set(role, ((await answer.json()) as { token: string }).token)
  }
  return tokens
}

const openTestEmergencies = (deps: {
  records: Records
  audit: AuditLog
  now: () => number
}): Promise<Emergencies> => openEmergencies({ ...deps, self: organization.oid, log: silentLog })

/** What apparatus need: the register, referrals, and what is sent on. */
async function openWorklist(deps: Parameters<typeof openReferrals>[0]) {
  const { records } = deps
  const devices = await openDeviceRegister({ records, seeds: [] })
  const referrals = await openReferrals(deps)
  const procedureSteps = await openProcedureSteps(records)
  const sending = await openJobQueue({
    ...deps,
    kind: 'send',
    work: z.strictObject({
      to: z.string(),
      study: z.string(),
      sent: z.array(z.string()),
      refused: z.int(),
    }),
  })
  const clocks = { suggestions: () => [] }
  return { devices, clocks, referrals, procedureSteps, sending }
}

const httpConfig = (viewerDir: string) => ({
  host: '127.0.0.1',
  port: 0,
  cookieName: 'cami-okb',
  secureCookie: false,
  allowedHosts: [],
  viewerDir,
  allowedOrigins: [],
  deletePolicy: 'reject' as const,
})

async function writeViewer(dir: string): Promise<string> {
  const viewerDir = path.join(dir, 'viewer')
  await mkdir(path.join(viewerDir, 'assets'), { recursive: true })
  const files = {
    'index.html': '<!doctype html><title>ЦАМИ</title>',
    'assets/main-1a2b.js': 'main()',
    'assets/main-1a2b.js.br': 'brotli',
    'assets/codec-3c4d.wasm': 'wasm',
    '../outside.txt': 'secret',
  }
  for (const [name, text] of Object.entries(files))
    await writeFile(path.join(viewerDir, name), text)
  return viewerDir
}

/** Two studies, one of them another organization's; radiologists read both. */
function createStudies() {
  const openReaders = new Set<StudyReader>()
  const none = { done: 0, total: 2 }
  const transfer: TestNode['transfer'] = {
    progress: { state: 'fetching', instances: none, bytes: { ...none, received: 0 } },
    listeners: new Set(),
  }
  const doors: Pick<Doors, 'openStudy' | 'quarantine' | 'stillOpen'> = {
    async openStudy(user, study) {
      const isKnown = study === ownStudy || study === remoteStudy
      if (!isKnown || !user.roles.includes('radiologist')) {
        throw new ProtocolError(isKnown ? 'role_missing' : 'study_not_held', 'no')
      }
      const reader = {
        study,
        holder: study === ownStudy ? organization.oid : holder,
        instances: async () => [{ bytes: 100 }, { bytes: 200 }],
        [Symbol.asyncDispose]: async () => void openReaders.delete(reader),
      } as unknown as StudyReader
      openReaders.add(reader)
      return reader
    },
    quarantine: async () => [],
    stillOpen: async () => ({ open: true }),
  }
  const transfers: AppDeps['transfers'] = {
    progress: () => transfer.progress,
    onProgress(_, listener) {
      transfer.listeners.add(listener)
      return () => transfer.listeners.delete(listener)
    },
  }
  return { openReaders, transfer, deps: { doors, transfers } }
}

const noMedia: AppDeps['media'] = {
  upload: () => Promise.reject(new ProtocolError('unavailable', 'none')),
  importFolder: () => Promise.reject(new ProtocolError('unavailable', 'none')),
  list: () => [],
  status: missing,
  report: missing,
  cancel: missing,
}

/** One holder lets people in without a grant. */
const testEmergencyDoors: AppDeps['emergencyDoors'] = {
  isOfferedBy: (oid) => Promise.resolve(oid === holder),
  open(_, { study }) {
    if (study === remoteStudy) return Promise.resolve({ until: 1 })
    return Promise.reject(new ProtocolError('forbidden', 'no'))
  },
}

const noArchives: AppDeps['archives'] = {
  list: async () => [],
  echo: async () => missing(),
  find: async () => missing(),
  move: async () => missing(),
  moves: async () => [],
  cancel: async () => missing(),
}

const noQuality: AppDeps['quality'] = {
  attention: async () => ({ studies: [], more: false, counts: {}, counted: 0 }),
  findings: async () => missing(),
  answer: async () => missing(),
  duplicates: async () => ({ candidates: [], more: false }),
  encodings: async () => [],
  unpin: async () => undefined,
}

function missing(): never {
  throw new ProtocolError('not_found', 'no such thing')
}

const noCorrections: AppDeps['corrections'] = {
  overlay: async () => [],
  overlays: async () => [],
  registered: async () => 0,
}

const testFederation: AppDeps['federation'] = {
  status: () => ({
    registry: { reachable: true, since: 1 },
    holders: [{ oid: holder, name: 'ЦРБ', reachable: false, ageMs: 5 }],
  }),
  async createGrant({ grantee }) {
    if (grantee !== holder) throw new ProtocolError('peer_unknown', 'no such organization')
    return { jti: grantId }
  },
  async revokeGrant(jti) {
    if (jti !== grantId) throw new ProtocolError('not_found', 'no such grant')
  },
  epochFacts: () => undefined,
  policy: () => noFactor,
  heldGrants: () => [],
  receivedGrants: () => [],
}

function createDicomweb(uploads: number[]): Router {
  const router = new Router()
  router.get('/studies', (ctx) => {
    ctx.body = [{ user: (ctx.state as { user?: { login?: string } }).user?.login }]
  })
  router.get('/studies/:study', () => {
    throw new ProtocolError('study_withheld', 'secret reason')
  })
  router.get('/broken', (ctx) => {
    ctx.body = Readable.from(breaksOff())
  })
  router.get('/late', (ctx) => {
    ctx.set({ 'Content-Encoding': 'gzip', ETag: '"x"', 'Cache-Control': 'private' })
    ctx.length = 7
    throw new ProtocolError('holder_unreachable', 'no way there')
  })
  router.get('/crash', () => {
    throw new Error('a path /var/lib/secret')
  })
  router.post('/studies', async (ctx) => {
    let size = 0
    for await (const chunk of ctx.req) size += (chunk as Buffer).byteLength
    uploads.push(size)
    ctx.body = { size }
  })
  return router
}

function* breaksOff(): Generator<Buffer> {
  yield Buffer.alloc(70_000)
  throw new ProtocolError('digest_mismatch', 'half way')
}

function createClient(url: string, port: number) {
  const post: TestNode['post'] = (path, body, headers = {}) =>
    fetch(url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    })
  return {
    post,
    get: (path: string, headers: Record<string, string> = {}) => fetch(url + path, { headers }),
    raw(options: http.RequestOptions & { body?: string }): Promise<RawAnswer> {
      const { promise, resolve, reject } = Promise.withResolvers<RawAnswer>()
      const request = http.request({ host: '127.0.0.1', port, ...options }, (answer) => {
        const { statusCode: status = 0, headers } = answer
        let text = ''
        answer.on('data', (chunk) => (text += String(chunk)))
        answer.on('end', () => resolve({ status, headers, text })).on('error', reject)
      })
      request.on('error', reject)
      request.end(options.body)
      return promise
    },
    async cookie(login = 'radiologist.okb'): Promise<string> {
      const answer = await post('/api/session', { login, password })
      return (answer.headers.getSetCookie()[0] ?? '').split(';')[0] ?? ''
    },
  }
}
