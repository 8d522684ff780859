import type { Server } from 'node:http'
import { once } from 'node:events'
import Koa from 'koa'
import { Router } from '@koa/router'
import { httpLimits } from '#protocol/limits.ts'

/** What the registry says of itself over HTTP; it takes no orders there yet. */
export type RegistryStatus = () => { peerId: string; members: number; online: number }

export async function listenHttp(
  options: { host: string; port: number },
  status: RegistryStatus,
): Promise<AsyncDisposable & { url: string }> {
  const router = new Router()
  router.get('/health', (ctx) => {
    ctx.body = { status: 'ok', ...status() }
  })
  router.get('/', (ctx) => {
    const { peerId, members, online } = status()
    ctx.type = 'text/plain; charset=utf-8'
    ctx.body = `CAMI registry\npeer ${peerId}\norganizations ${members}, connected ${online}\n`
  })
  const app = new Koa()
  app.use(async (ctx, next) => {
    ctx.set('Cache-Control', 'no-store')
    ctx.set('Content-Security-Policy', "default-src 'none'; frame-ancestors 'none'")
    ctx.set('X-Content-Type-Options', 'nosniff')
    await next()
  })
  app.use(router.routes())
  const server: Server = app.listen(options.port, options.host)
  server.headersTimeout = httpLimits.headersTimeoutMs
  server.requestTimeout = httpLimits.requestTimeoutMs
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : options.port
  return {
    url: `http://${options.host}:${port}`,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}
