import type { Context, Middleware, ParameterizedContext } from 'koa'
import { ProtocolError, type ErrorCode } from '#protocol/errors.ts'
import { httpLimits } from '#protocol/limits.ts'
import type { SessionUser } from '../access/session-user.ts'
import type { Sessions } from '../access/sessions.ts'
import type { NodeConfig } from '../config.ts'

/** What handlers find in `ctx.state`; behind `requireUser` there is a user. */
export type State = {
  user?: SessionUser
  secret?: string
  /** Why the session that was shown is over. */
  ended?: ErrorCode
}
export type HttpContext = ParameterizedContext<State>

export type CookieConfig = Pick<NodeConfig['http'], 'cookieName' | 'secureCookie'>

/**
 * Who asks: a bearer token, which only a program of the user sends, or the cookie, which her browser also sends when
 * another site's page tells it to. With the cookie a request must therefore come from our own page.
 */
export function createAuthentication(deps: {
  sessions: Pick<Sessions, 'resume' | 'endOf'>
  cookie: CookieConfig
  /** What pages ask by themselves; it does not keep a session alive. */
  isPassive: (path: string) => boolean
  checkMs?: number
}): Middleware<State> {
  const { sessions, cookie, isPassive, checkMs = httpLimits.sessionCheckMs } = deps
  return async (ctx, next) => {
    const bearer = bearerOf(ctx)
    const secret = bearer ?? ctx.cookies.get(cookie.cookieName)
    if (bearer === undefined) checkOrigin(ctx, secret !== undefined)
    if (secret !== undefined) {
      const resume = async () => sessions.resume(secret, { touch: !isPassive(ctx.path) })
      const user = await resume()
      if (user !== undefined) {
        ctx.state.user = user
        ctx.state.secret = secret
        if (safeMethods.has(ctx.method)) cutWhenOver(ctx, resume, checkMs)
      } else {
        const why = sessions.endOf(secret)
        if (why !== undefined) ctx.state.ended = why
      }
    }
    await next()
  }
}

/** An answer may take half an hour over a thin link: it goes on as long as the session does, which it keeps alive. */
function cutWhenOver(
  { res }: Pick<Context, 'res'>,
  resume: () => Promise<SessionUser | undefined>,
  checkMs: number,
): void {
  const check = async (): Promise<void> => {
    if ((await resume()) === undefined) res.destroy()
  }
  const timer = setInterval(() => {
    check().catch(() => res.destroy())
  }, checkMs)
  res.once('close', () => clearInterval(timer))
}

export function requireUser(ctx: { state: State }): SessionUser {
  const { user } = ctx.state
  if (user === undefined) {
    throw new ProtocolError(ctx.state.ended ?? 'unauthenticated', 'not signed in')
  }
  return user
}

function bearerOf(ctx: Context): string | undefined {
  const found = /^Bearer ([A-Za-z0-9_-]{1,128})$/i.exec(ctx.get('Authorization'))
  return found?.[1]
}

const safeMethods = new Set(['GET', 'HEAD', 'OPTIONS'])

/** Cross-site request forgery: Fetch Metadata, the Origin header where that is missing, and a header of ours. */
function checkOrigin(ctx: Context, hasCookie: boolean): void {
  const site = ctx.get('Sec-Fetch-Site')
  const isSafe = safeMethods.has(ctx.method)
  if (site !== '' && site !== 'same-origin' && !(site === 'none' && isSafe)) {
    throw new ProtocolError('forbidden', 'the request comes from another site')
  }
  if (isSafe || !hasCookie) return
  if (ctx.get('X-Cami') !== '1')
    throw new ProtocolError('forbidden', 'the request has no x-cami header')
  if (site === '' && !isOwnOrigin(ctx)) {
    throw new ProtocolError('forbidden', 'the request does not say where it comes from')
  }
}

/** The Host header has been checked by then. */
function isOwnOrigin(ctx: Context): boolean {
  const origin = ctx.get('Origin')
  return URL.canParse(origin) && new URL(origin).host === ctx.req.headers.host
}

/** Written by hand: behind a proxy the connection to us is plain, and the cookie is `Secure` all the same. */
export function setCookie(
  ctx: HttpContext,
  cookie: CookieConfig,
  secret: string | undefined,
): void {
  const attributes = ['Path=/', 'HttpOnly', 'SameSite=Lax']
  if (cookie.secureCookie) attributes.push('Secure')
  if (secret === undefined) attributes.push('Max-Age=0')
  ctx.append('Set-Cookie', [`${cookie.cookieName}=${secret ?? ''}`, ...attributes].join('; '))
}
