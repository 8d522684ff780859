import { once } from 'node:events'
import Koa from 'koa'
import { Router } from '@koa/router'
import type { RouterMiddleware } from '@koa/router'
import type { AuditEntry } from '#protocol/audit-event.ts'
import type { Role } from '#protocol/authorize.ts'
import type { UserId } from '#protocol/ids.ts'
import { type ErrorCode, ProtocolError } from '#protocol/errors.ts'
import type { Archive, Declared, Origin } from '../archive/archive.ts'
import {
  holder,
  openTestArchive,
  searchProof,
  send,
  studyProof,
  temporaryFolder,
} from '../archive/archive.fixture.ts'
import type { Doors } from '../access/doors.ts'
import { createIntakeDoors } from '../access/intake-doors.ts'
import type { SessionUser } from '../access/session-user.ts'
import type { DicomJson } from '../dicom/dicom-json.ts'
import { type Part10File, readPart10File } from '../dicom/part10.ts'
import { createPixelPool } from '../dicom/pixel-workers/pool.ts'
import { createErrors } from '../http/errors.ts'
import { listen } from '../http/listen.ts'
import { silentLog } from '../log.ts'
import type { State } from './answer.ts'
import { createDicomweb } from './router.ts'

/**
 * Readers that are open, how reading through them fails, whether it waits for bytes that do not come, and what metadata
 * says besides.
 */
type Open = { readers: number; failure?: ErrorCode; isStalled?: boolean; said?: DicomJson }

export type Access = { study: string; detail: string; instances: number; bytes: number }

const media: Origin = { kind: 'media', path: 'test' }

/** A node's DICOMweb interface over a real archive and a real socket; doors open all but `forbidden`. */
export async function openDicomweb() {
  const stack = new AsyncDisposableStack()
  const folder = stack.use(await temporaryFolder())
  const archive = stack.use(await openTestArchive(folder.path))
  const pool = stack.use(createPixelPool())
  const forbidden = new Set<string>()
  const accesses: Access[] = []
  const audit: AuditEntry[] = []
  const open: Open = { readers: 0 }
  const user = { roles: ['radiologist'] as Role[] }
  const doors = createTestDoors({ archive, forbidden, accesses, audit, open })
  const app = new Koa<State>()
  app.silent = true
  app.use(createErrors(silentLog))
  app.use(async (ctx, next) => {
    const other = ctx.get(userHeader)
    const uid = other === '' ? person.uid : (`${holder}#${other}` as UserId)
    ctx.state.user = { ...person, ...user, uid }
    await next()
  })
  const root = new Router<State>()
  root.use(
    '/dicom-web',
    createDicomweb({
      doors,
      pool,
      deletePolicy: 'reject',
    }).routes() as unknown as RouterMiddleware<State>,
  )
  app.use(root.routes() as unknown as Koa.Middleware<State>)
  const server = stack.use(
    await listen({ handler: app.callback() }, { host: '127.0.0.1', port: 0 }),
  )
  return {
    archive,
    forbidden,
    accesses,
    audit,
    open,
    user,
    url: `${server.url}/dicom-web`,
    get: (path: string, headers: Record<string, string> = {}, signal?: AbortSignal) =>
      fetch(`${server.url}/dicom-web${path}`, { headers, ...(signal && { signal }) }),
    async keep(bytes: Uint8Array): Promise<Part10File> {
      const file = readPart10File(bytes)
      const { sopClass, sopUid, transferSyntax } = file
      await send(archive, file.dataSet, { sopClass, sopUid, transferSyntax }, { origin: media })
      return file
    },
    keepDataSet: (bytes: Uint8Array, declared: Declared) =>
      send(archive, bytes, declared, { origin: media }),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

/** Who sends a request, when it is somebody else. */
export const userHeader = 'x-test-user'

const person: SessionUser = {
  uid: searchProof.user as UserId,
  organization: holder,
  roles: [],
  enabled: true,
  authTime: 0,
  amr: ['pwd'],
  login: 'reader',
  name: 'Reader',
  position: '',
  department: '',
  workstation: '',
  address: '127.0.0.1',
  session: '00',
  expiresAt: Number.MAX_SAFE_INTEGER,
}

function createTestDoors(parts: {
  archive: Archive
  forbidden: Set<string>
  accesses: Access[]
  audit: AuditEntry[]
  open: Open
}): Pick<Doors, 'openStudy' | 'search' | 'accessed' | 'store' | 'reject'> {
  const { archive, forbidden, accesses, open } = parts
  const intake = createIntakeDoors({
    archive,
    audit: { append: async (entry) => parts.audit.push(entry) },
    federation: {
      policy: () => ({ secondFactor: 'optional', staleAfterHours: 24, transparency: 'off' }),
    },
    self: { oid: holder },
    clock: () => 0,
  })
  return {
    ...intake,
    async openStudy(_, study) {
      const refused = new ProtocolError('forbidden', 'no')
      if (forbidden.has(study) || (await archive.facts(study)) === undefined) throw refused
      const reader = await archive.open(studyProof(study))
      open.readers++
      let isOpen = true
      const left = new AbortController()
      return {
        ...reader,
        async series() {
          if (open.isStalled === true) await once(left.signal, 'abort')
          left.signal.throwIfAborted()
          return await reader.series()
        },
        metadata: async (filter) =>
          (await reader.metadata(filter)).map((header) => ({ ...header, ...open.said })),
        async *read(...given: Parameters<typeof reader.read>) {
          if (open.failure !== undefined) throw new ProtocolError(open.failure, 'it fails')
          const [, , signal] = given
          if (open.isStalled === true && signal !== undefined) {
            if (!signal.aborted) await once(signal, 'abort')
            signal.throwIfAborted()
          }
          yield* reader.read(...given)
        },
        async [Symbol.asyncDispose]() {
          if (isOpen) open.readers--
          isOpen = false
          left.abort(new ProtocolError('aborted', 'the reader has left'))
          await reader[Symbol.asyncDispose]()
        },
      }
    },
    search: async (_, query, scope) => ({
      ...(await archive.search(searchProof, query)),
      warnings: scope === 'region' ? ['Больница "3" is out of reach'] : [],
    }),
    async accessed(_, reader, what) {
      accesses.push({ study: reader.study, ...what })
    },
  }
}

export type ReceivedPart = { headers: Map<string, string>; body: Buffer }

/** Takes a multipart body apart by its boundary lines alone, without trusting stated lengths. */
export async function partsOf(response: Response): Promise<ReceivedPart[]> {
  const type = response.headers.get('content-type') ?? ''
  const boundary = /boundary="?([^";]+)"?/.exec(type)?.[1] ?? ''
  const body = Buffer.from(await response.arrayBuffer()).toString('latin1')
  const pieces = `\r\n${body}`.split(`\r\n--${boundary}`)
  if (pieces.at(-1)?.trim() !== '--') throw new Error('the closing boundary is missing')
  return pieces.slice(1, -1).map((piece) => {
    const blank = piece.indexOf('\r\n\r\n')
    const lines = piece.slice(2, blank).split('\r\n')
    const headers = lines.map((line): [string, string] => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
    })
    return { headers: new Map(headers), body: Buffer.from(piece.slice(blank + 4), 'latin1') }
  })
}

/** A STOW-RS body. */
export function multipartBody(parts: readonly Uint8Array[], boundary = 'edge'): Buffer {
  return Buffer.concat([
    ...parts.flatMap((part) => [
      Buffer.from(`--${boundary}\r\nContent-Type: application/dicom\r\n\r\n`),
      Buffer.from(part),
      Buffer.from('\r\n'),
    ]),
    Buffer.from(`--${boundary}--\r\n`),
  ])
}

/** Where an instance is retrieved, as a search tells it. */
export async function pathOf(
  web: { get(path: string): Promise<Response> },
  sop: string,
): Promise<string> {
  const response = await web.get(`/instances?SOPInstanceUID=${sop}`)
  const [row] = (await response.json()) as Record<string, { Value?: string[] }>[]
  return (row?.['00081190']?.Value?.[0] ?? '').slice('/dicom-web'.length)
}
