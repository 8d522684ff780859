import { createServer, type RequestListener, type Server } from 'node:http'
import { once } from 'node:events'
import { formLimits, httpLimits } from '#protocol/limits.ts'

export async function listenHttp(
  options: { host: string; port: number },
  handler: RequestListener,
): Promise<AsyncDisposable & { url: string }> {
  const server: Server = createServer({ noDelay: true }, handler)
  server.headersTimeout = httpLimits.headersTimeoutMs
  // A scan over a thin link takes its time; JSON bodies have a deadline of their own.
  server.requestTimeout = formLimits.attachmentTimeoutMs
  server.timeout = httpLimits.socketIdleMs
  server.maxConnections = httpLimits.connectionsMax
  server.listen(options.port, options.host)
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
