import type { IncomingMessage } from 'node:http'
import { Router } from '@koa/router'
import type { z } from 'zod'
import { ProtocolError } from '#protocol/errors.ts'
import { fieldErrors } from '#protocol/fields/text.ts'
import { formLimits, httpLimits } from '#protocol/limits.ts'
import type { AccountRole } from '../accounts.ts'
import type { Audit } from '../audit.ts'
import { FormRefused } from '../office.ts'
import type { By } from '../office.ts'
import { actorOf } from '../sessions.ts'
import type { SessionUser } from '../sessions.ts'
import type { HttpContext, State } from './authentication.ts'

/** One resource of `/api`: what validates a request is also what describes it in `/api/openapi.json`. */
type Definition<Params, Query, Body, Answer> = {
  method: 'get' | 'post' | 'delete'
  path: `/api/${string}`
  summary: string
  params?: z.ZodType<Params>
  query?: z.ZodType<Query>
  body?: z.ZodType<Body>
  /** Absent: 204, or what the handler itself put into the answer. */
  answer?: z.ZodType<Answer>
  /** The body is a file, which the handler reads. */
  isUpload?: boolean
  /** The answer is a PDF. */
  isDocument?: boolean
}

type Input<Params, Query, Body> = { params: Params; query: Query; body: Body; ctx: HttpContext }

export type Route = Definition<unknown, unknown, unknown, unknown> & {
  access: 'anyone' | 'signed-in' | readonly AccountRole[]
  handle(
    input: Input<unknown, unknown, unknown> & { user: SessionUser | undefined },
  ): Promise<unknown>
}

export function defineRoute<Params = unknown, Query = unknown, Body = unknown, Answer = unknown>(
  definition: Definition<Params, Query, Body, Answer> & {
    access: 'signed-in' | readonly AccountRole[]
    handle(input: Input<Params, Query, Body> & { user: SessionUser }): Promise<Answer>
  },
): Route {
  // The handler is only ever called with what the schemas made.
  return definition
}

export function defineOpenRoute<
  Params = unknown,
  Query = unknown,
  Body = unknown,
  Answer = unknown,
>(
  definition: Definition<Params, Query, Body, Answer> & {
    handle(input: Input<Params, Query, Body>): Promise<Answer>
  },
): Route {
  return { ...definition, access: 'anyone' } as unknown as Route
}

export const operatorRoles = ['cami_operator', 'cami_admin'] as const
export const ownRoles = ['mo_admin', 'consult_organizer', 'head_of_mo'] as const
export const formRoles = [...operatorRoles, ...ownRoles] as const

/** The operator's people see everything, an organization's its own. */
export const isOperator = ({ account }: SessionUser): boolean =>
  operatorRoles.some((role) => account.roles.includes(role))

/** As whom a user takes an action: a head confirms as head, whatever else she is. */
export function by(user: SessionUser, action = ''): By {
  const first: AccountRole[] =
    action === 'confirm' ? ['head_of_mo'] : ['cami_admin', 'cami_operator']
  const actor = actorOf(user, [...first, 'mo_admin', 'consult_organizer', 'head_of_mo'])
  return { actor, source: user.address }
}

export function createApiRouter(routes: readonly Route[], audit: Audit): Router<State> {
  const router = new Router<State>()
  for (const route of routes) {
    router[route.method](route.path, async (ctx) => {
      const { user } = ctx.state
      if (route.access !== 'anyone') await checkRole(user, route, audit)
      const answer = await route.handle({
        params: parse(route.params, ctx.params),
        query: parse(route.query, { ...ctx.query }),
        body: route.body === undefined ? undefined : parse(route.body, await readJson(ctx.req)),
        ctx,
        user,
      })
      if (answer !== undefined) ctx.body = answer
      else if (ctx.body === undefined) ctx.status = 204
    })
  }
  return router
}

async function checkRole(user: SessionUser | undefined, route: Route, audit: Audit): Promise<void> {
  if (user === undefined) throw new ProtocolError('unauthenticated', 'not signed in')
  const { access, method, path } = route
  if (typeof access === 'string' || access.some((role) => user.account.roles.includes(role))) return
  await audit.append({
    actor: user.account.id,
    role: user.account.roles[0] ?? '',
    source: user.address,
    action: 'security-alert',
    subject: '',
    outcome: 'denied',
    detail: `${method.toUpperCase()} ${path}`,
  })
  throw new ProtocolError('role_missing', 'no role for this')
}

function parse(schema: z.ZodType | undefined, value: unknown): unknown {
  if (schema === undefined) return undefined
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  throw new FormRefused({ ok: false, code: 'invalid', fields: fieldErrors(parsed.error) })
}

/** A JSON body of bounded size in bounded time. */
async function readJson(request: IncomingMessage): Promise<unknown> {
  const type = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase()
  if (type !== 'application/json') throw new ProtocolError('unsupported', 'the body must be JSON')
  const chunks: Buffer[] = []
  let bytes = 0
  const timer = setTimeout(() => request.destroy(), httpLimits.requestTimeoutMs)
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      bytes += chunk.byteLength
      if (bytes > formLimits.jsonBytes)
        throw new ProtocolError('too_large', 'the body is too large')
      chunks.push(chunk)
    }
    return JSON.parse(Buffer.concat(chunks).toString('utf8')) as unknown
  } catch (cause) {
    if (cause instanceof ProtocolError) throw cause
    throw new ProtocolError('bad_request', 'the body is not JSON', { cause })
  } finally {
    clearTimeout(timer)
  }
}

/** A PDF of the registry's own, or an attachment. */
export function sendFile(
  ctx: HttpContext,
  file: { content: Buffer; type: string; name: string },
): void {
  ctx.type = file.type
  ctx.set('Content-Disposition', `inline; filename*=UTF-8''${encodeURIComponent(file.name)}`)
  ctx.body = file.content
}
