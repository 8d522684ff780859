import type { Context, Middleware } from 'koa'
import { ProtocolError } from '#protocol/errors.ts'

/**
 * A page of another site may give its own name this node's address (DNS rebinding) and then read answers as its own:
 * only known values of the Host header are answered. Nothing is ever built from that header.
 */
export function createHostCheck(allowedHosts: readonly string[]): Middleware {
  const allowed = new Set(allowedHosts.map((host) => host.toLowerCase()))
  return async (ctx, next) => {
    const host = (ctx.req.headers.host ?? '').toLowerCase()
    const isKnown = allowed.size === 0 ? isListeningAddress(ctx, host) : allowed.has(host)
    if (!isKnown) throw new ProtocolError('bad_request', 'unknown Host header')
    await next()
  }
}

function isListeningAddress(ctx: Context, host: string): boolean {
  const { localAddress = '', localPort = 0 } = ctx.req.socket
  const address = plainAddress(localAddress)
  const names = [address.includes(':') ? `[${address}]` : address]
  if (address === '127.0.0.1' || address === '::1') names.push('localhost')
  return names.some(
    (name) => host === `${name}:${localPort}` || (localPort === 80 && host === name),
  )
}

/** An IPv4 address as it is usually written, also when it came over an IPv6 socket. */
export const plainAddress = (address: string): string => address.replace(/^::ffff:(?=\d+\.)/, '')
