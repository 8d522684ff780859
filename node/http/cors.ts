import type { Middleware } from 'koa'

const exposed = 'Content-Encoding, Content-Location, Content-Range, ETag, Retry-After, Warning'
const methods = 'GET, HEAD, POST, DELETE'
const headers = 'Accept, Authorization, Content-Type, If-Match, If-None-Match, If-Range, Range'
const preflightSeconds = 600

/**
 * Pages of these origins may use DICOMweb (Fetch Standard §3.2). They bring a bearer token of their own: cookies are
 * never allowed, so that no foreign page acts with the session that a browser happens to have.
 */
export function createCors(allowedOrigins: readonly string[]): Middleware {
  const allowed = new Set(allowedOrigins.map((origin) => new URL(origin).origin))
  return async (ctx, next) => {
    const origin = ctx.get('Origin')
    if (allowed.size === 0 || origin === '') return next()
    ctx.vary('Origin')
    if (!allowed.has(origin)) return next()
    ctx.set('Access-Control-Allow-Origin', origin)
    ctx.set('Access-Control-Expose-Headers', exposed)
    ctx.set('Cross-Origin-Resource-Policy', 'cross-origin')
    const isPreflight = ctx.method === 'OPTIONS' && ctx.get('Access-Control-Request-Method') !== ''
    if (!isPreflight) return next()
    ctx.set('Access-Control-Allow-Methods', methods)
    ctx.set('Access-Control-Allow-Headers', headers)
    ctx.set('Access-Control-Max-Age', String(preflightSeconds))
    ctx.status = 204
    return undefined
  }
}
