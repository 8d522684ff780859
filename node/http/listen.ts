import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import { once } from 'node:events'
import { httpLimits } from '#protocol/limits.ts'

/** What `listen` serves. */
export type Served = {
  handler: RequestListener
  /** Ends answers that would go on for as long as the page is open. */
  stop?: () => void
}

export type Listening = AsyncDisposable & { readonly url: string; readonly port: number }

/** Serves over HTTP/1.1. Closing waits for the requests that are being answered, for a bounded time. */
export async function listen(
  served: Served,
  { host, port }: { host: string; port: number },
  limits: Pick<typeof httpLimits, 'closeTimeoutMs'> & { headersTimeoutMs: number } = httpLimits,
): Promise<Listening> {
  const server = createServer(
    {
      headersTimeout: limits.headersTimeoutMs,
      // Uploads of studies take as long as they take; JSON bodies have a deadline of their own.
      requestTimeout: 0,
      connectionsCheckingInterval: limits.headersTimeoutMs / 10,
      noDelay: true,
    },
    served.handler,
  )
  server.on('request', (request, answer) => {
    answer.once('finish', () => boundRest(request, limits.headersTimeoutMs))
  })
  server.timeout = httpLimits.socketIdleMs
  server.maxConnections = httpLimits.connectionsMax
  server.listen(port, host)
  await once(server, 'listening')
  const address = server.address()
  const actual = typeof address === 'object' && address !== null ? address.port : port
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${actual}`,
    port: actual,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      served.stop?.()
      // A connection becomes idle when its answer has ended, and would then wait for another request.
      const sweep = setInterval(() => server.closeIdleConnections(), 20)
      const last = setTimeout(() => server.closeAllConnections(), limits.closeTimeoutMs)
      await closed
      clearTimeout(last)
      clearInterval(sweep)
    },
  }
}

/** Of a request that was answered the rest is read and dropped, to keep the connection; not for as long as it may last. */
function boundRest(request: IncomingMessage, timeoutMs: number): void {
  if (request.complete) return
  const timer = setTimeout(() => request.destroy(), timeoutMs)
  request.once('close', () => clearTimeout(timer))
}
