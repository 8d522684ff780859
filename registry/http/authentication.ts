import type { Context, Middleware, ParameterizedContext } from 'koa'
import { ProtocolError } from '#protocol/errors.ts'
import type { SessionUser, Sessions } from '../sessions.ts'

export type State = { user?: SessionUser; secret?: string }
export type HttpContext = ParameterizedContext<State>
export type CookieConfig = { cookieName: string; secureCookie: boolean }

/** A bearer token, or the cookie; with the cookie an unsafe request must come from our own page. */
export function createAuthentication(
  sessions: Pick<Sessions, 'resume'>,
  cookie: CookieConfig,
): Middleware<State> {
  return async (ctx, next) => {
    const bearer = /^Bearer ([A-Za-z0-9_-]{1,128})$/i.exec(ctx.get('Authorization'))?.[1]
    const secret = bearer ?? ctx.cookies.get(cookie.cookieName)
    if (bearer === undefined) checkOrigin(ctx, secret !== undefined)
    const user = secret === undefined ? undefined : await sessions.resume(secret)
    if (user !== undefined && secret !== undefined) {
      ctx.state.user = user
      ctx.state.secret = secret
    }
    await next()
  }
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
  if (ctx.get('X-Cami') !== '1') throw new ProtocolError('forbidden', 'no x-cami header')
  const origin = ctx.get('Origin')
  const isOwn = URL.canParse(origin) && new URL(origin).host === ctx.req.headers.host
  if (site === '' && !isOwn) throw new ProtocolError('forbidden', 'no origin')
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

/** Only known values of the Host header are answered (DNS rebinding). Nothing is ever built from it. */
export function createHostCheck(allowedHosts: readonly string[]): Middleware {
  const allowed = new Set(allowedHosts.map((host) => host.toLowerCase()))
  return async (ctx, next) => {
    const host = (ctx.req.headers.host ?? '').toLowerCase()
    const { localAddress = '', localPort = 0 } = ctx.req.socket
    const address = localAddress.replace(/^::ffff:(?=\d+\.)/, '')
    const own = [`${address.includes(':') ? `[${address}]` : address}:${localPort}`]
    if (address === '127.0.0.1' || address === '::1') own.push(`localhost:${localPort}`)
    const isKnown = allowed.size === 0 ? own.includes(host) : allowed.has(host)
    if (!isKnown) throw new ProtocolError('bad_request', 'unknown Host header')
    await next()
  }
}
