import { z } from 'zod'
import { errorCodes, ProtocolError, type ErrorCode } from '#protocol/errors.ts'
import { httpLimits } from '#protocol/limits.ts'
import type { SessionUser } from '../../access/session-user.ts'
import type { HttpContext } from '../authentication.ts'
import { defineRoute, type Route } from '../routes.ts'

export const ImportStatus = z.strictObject({
  id: z.uuid(),
  name: z.string(),
  user: z.string(),
  state: z.enum(['receiving', 'running', 'done', 'cancelled', 'failed']),
  code: z.enum(errorCodes).exactOptional(),
  startedAt: z.int(),
  endedAt: z.int().exactOptional(),
  /** Bytes of the upload. */
  received: z.int(),
  files: z.strictObject({ done: z.int(), total: z.int() }),
  /** Files by what became of them. */
  outcomes: z.record(z.string(), z.int()),
  studies: z.int(),
})
export type ImportStatus = z.infer<typeof ImportStatus>

const FileReport = z.strictObject({
  path: z.string(),
  outcome: z.enum([
    'stored',
    'duplicate',
    'quarantined',
    'refused',
    'missing',
    'withdrawn',
    'no-dicom',
  ]),
  reason: z.string().exactOptional(),
  study: z.string().exactOptional(),
  sop: z.string().exactOptional(),
  bytes: z.int().exactOptional(),
})

type Importer = { uid: string; organization: string; role: string; address: string }
type Status = Omit<ImportStatus, 'outcomes' | 'code'> & {
  code?: ErrorCode
  outcomes: Partial<Record<string, number>>
}

/** What the routes need of the imports (`node/media`). */
export type Media = {
  upload(
    importer: Importer,
    upload: { name: string; bytes?: number; body: AsyncIterable<Uint8Array> },
  ): Promise<Status>
  importFolder(importer: Importer, folder: string): Promise<Status>
  list(): Status[]
  status(id: string): Status
  report(
    id: string,
    after: number,
    limit: number,
  ): { files: z.infer<typeof FileReport>[]; total: number }
  cancel(id: string): Promise<Status>
}

const access = ['radiographer', 'mo_admin'] as const
const params = z.strictObject({ import: z.uuid() })
const answer = ImportStatus
/** What the user calls the medium; it becomes part of where its objects came from. */
const name = z
  .string()
  .min(1)
  .max(100)
  .regex(/^[^\p{Cc}\\/]+$/u)

/** Discs and folders brought from elsewhere. */
export const mediaRoutes = ({ media }: { media: Media }): Route[] => [
  ...bringingRoutes(media),
  ...watchingRoutes(media),
]

function bringingRoutes(media: Media): Route[] {
  return [
    defineRoute({
      method: 'post',
      path: '/api/media',
      summary:
        'Take in a ZIP file (the body, application/zip): answers when it is here, then imports it',
      access,
      query: z.strictObject({ name: name.default('upload.zip') }),
      answer,
      async handle({ query, ctx, user }) {
        return statusOf(await media.upload(importerOf(user), { ...query, ...bodyOf(ctx) }))
      },
    }),
    defineRoute({
      method: 'post',
      path: '/api/media/folders',
      summary: 'Take in a folder below the one in which discs are mounted',
      access,
      body: z.strictObject({ folder: z.string().min(1).max(512) }),
      answer,
      async handle({ body, user }) {
        return statusOf(await media.importFolder(importerOf(user), body.folder))
      },
    }),
    defineRoute({
      method: 'delete',
      path: '/api/media/:import',
      summary: 'Cancel an import; what has come in stays',
      access,
      params,
      answer,
      handle: async ({ params }) => statusOf(await media.cancel(params.import)),
    }),
  ]
}

function watchingRoutes(media: Media): Route[] {
  return [
    defineRoute({
      method: 'get',
      path: '/api/media',
      summary: 'The last imports, newest first',
      access,
      isPassive: true,
      answer: z.strictObject({ imports: z.array(ImportStatus) }),
      async handle() {
        return { imports: media.list().map(statusOf) }
      },
    }),
    defineRoute({
      method: 'get',
      path: '/api/media/:import',
      summary: 'How far an import is',
      access,
      isPassive: true,
      params,
      answer,
      handle: async ({ params }) => statusOf(media.status(params.import)),
    }),
    defineRoute({
      method: 'get',
      path: '/api/media/:import/files',
      summary: 'What became of each file, in the order in which they were done',
      access,
      params,
      query: z.strictObject({
        after: z.coerce.number().int().min(0).default(0),
        limit: z.coerce
          .number()
          .int()
          .min(1)
          .max(httpLimits.resultsMax)
          .default(httpLimits.resultsDefault),
      }),
      answer: z.strictObject({ files: z.array(FileReport), total: z.int() }),
      handle: async ({ params, query }) => media.report(params.import, query.after, query.limit),
    }),
  ]
}

const importerOf = ({ uid, organization, roles, address }: SessionUser): Importer => ({
  uid,
  organization,
  role: roles[0] ?? '',
  address,
})

const statusOf = ({ outcomes, ...status }: Status): ImportStatus => ({
  ...status,
  outcomes: Object.fromEntries(
    Object.entries(outcomes).map(([outcome, count]) => [outcome, count ?? 0]),
  ),
})

function bodyOf(ctx: HttpContext): { bytes?: number; body: AsyncIterable<Uint8Array> } {
  // A form of another site's page can send only other types without asking first.
  if (ctx.get('Content-Type').split(';')[0]?.trim().toLowerCase() !== 'application/zip') {
    throw new ProtocolError('unsupported', 'the body must be a ZIP file')
  }
  const length = ctx.get('Content-Length')
  return { body: ctx.req, ...(length !== '' && { bytes: Number(length) }) }
}
