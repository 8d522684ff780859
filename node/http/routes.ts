import { Router } from '@koa/router'
import type { z } from 'zod'
import { authorizeResource, type Role } from '#protocol/authorize.ts'
import { ProtocolError, WrongRequest } from '#protocol/errors.ts'
import type { AuditLog } from '../access/audit-log.ts'
import type { Federation } from '../access/federation.ts'
import type { SessionUser } from '../access/session-user.ts'
import { requireUser, type HttpContext, type State } from './authentication.ts'
import { readJson } from './body.ts'

/** One resource of `/api`: what validates a request is also what describes it in `/api/openapi.json`. */
type Definition<Params, Query, Body, Answer> = {
  method: 'get' | 'post' | 'put' | 'delete'
  /** With `:name` for each member of `params`. */
  path: `/api/${string}`
  summary: string
  params?: z.ZodType<Params>
  query?: z.ZodType<Query>
  body?: z.ZodType<Body>
  /** Absent: 204, or what the handler itself put into the answer. */
  answer?: z.ZodType<Answer>
  /** Asked by pages themselves: it does not keep a session alive. */
  isPassive?: boolean
}

type Input<Params, Query, Body> = { params: Params; query: Query; body: Body; ctx: HttpContext }

export type Route = Definition<unknown, unknown, unknown, unknown> & {
  access: 'anyone' | 'signed-in' | readonly Role[]
  handle(
    input: Input<unknown, unknown, unknown> & { user: SessionUser | undefined },
  ): Promise<unknown>
}

/** A resource for signed-in people, or for some roles among them. */
export function defineRoute<Params = unknown, Query = unknown, Body = unknown, Answer = unknown>(
  definition: Definition<Params, Query, Body, Answer> & {
    access: 'signed-in' | readonly Role[]
    handle(input: Input<Params, Query, Body> & { user: SessionUser }): Promise<Answer>
  },
): Route {
  // The handler is only ever called with what the schemas made.
  return definition
}

/** A resource that needs no session. */
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

/** Serves the routes: session, role, schemas, handler, answer. */
export function createApiRouter(routes: readonly Route[], asked: Asked): Router<State> {
  // What is decided by path (restrictions, whose session lives on) is decided for this path, in these letters.
  const router = new Router<State>({ sensitive: true })
  for (const route of routes) {
    router[route.method](route.path, async (ctx) => {
      const user = route.access === 'anyone' ? undefined : requireUser(ctx)
      if (user !== undefined) await requireRole(user, route, asked)
      const input = {
        params: parse('path', route.params, ctx.params),
        query: parse('query', route.query, { ...ctx.query }),
        body:
          route.body === undefined ? undefined : parse('body', route.body, await readJson(ctx.req)),
        ctx,
        user,
      }
      const answer = await route.handle(input)
      if (answer !== undefined) ctx.body = answer
      else if (ctx.body === undefined) ctx.status = 204
    })
  }
  return router
}

type Asked = {
  audit: Pick<AuditLog, 'append'>
  federation: Pick<Federation, 'policy'>
  clock: () => number
}

async function requireRole(
  user: SessionUser,
  { access, method, path }: Route,
  { audit, federation, clock }: Asked,
): Promise<void> {
  if (typeof access === 'string') return
  const facts = { user, self: user.organization, now: clock(), policy: federation.policy() }
  const decision = authorizeResource(facts, access)
  if (decision.ok) return
  const { code } = decision
  await audit.append({
    event: 'security-alert',
    outcome: 'denied',
    code,
    organization: user.organization,
    user: user.uid,
    role: user.roles[0] ?? '',
    source: user.address,
    holder: user.organization,
    detail: `${method.toUpperCase()} ${path}`,
  })
  throw new ProtocolError(code, `not to be had: ${method} ${path}`)
}

/** What is wrong is told by its place and kind alone: a text about it may quote what was sent. */
function parse(place: string, schema: z.ZodType | undefined, value: unknown): unknown {
  if (schema === undefined) return undefined
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new WrongRequest(`${[place, ...(issue?.path ?? [])].join('.')}: ${issue?.code}`)
}

/** Whether a path is one of those that pages ask by themselves. */
export function passivePaths(routes: readonly Route[]): (path: string) => boolean {
  const patterns = routes
    .filter(({ isPassive }) => isPassive === true)
    .map(({ path }) => new RegExp(`^${path.replaceAll(/:\w+/g, '[^/]+')}$`))
  return (path) => patterns.some((pattern) => pattern.test(path))
}
