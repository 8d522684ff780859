import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import path from 'node:path'

/** Another site on this machine: files of a folder, and texts that stand for some of them. */
export type ForeignSite = AsyncDisposable & {
  readonly origin: string
  put(file: string, text: string): void
}

const types: Record<string, string> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
}

/** Serves a page application: what is no file is its first page. */
export async function serveForeignSite(folder: string): Promise<ForeignSite> {
  const texts = new Map<string, string>()
  const root = path.resolve(folder)
  const contentOf = async (name: string): Promise<string | Buffer> => {
    const file = path.join(root, path.normalize(`/${name}`))
    return texts.get(name) ?? (await readFile(file))
  }
  const server = createServer((request, response) => {
    const name = new URL(request.url ?? '/', 'http://site').pathname.slice(1)
    const isFile = path.extname(name) !== ''
    contentOf(isFile ? name : 'index.html').then(
      (content) => {
        const type = isFile ? types[path.extname(name)] : 'text/html'
        response.writeHead(200, {
          'content-type': type ?? 'application/octet-stream',
          // Threads of WebAssembly want both.
          'cross-origin-opener-policy': 'same-origin',
          'cross-origin-embedder-policy': 'require-corp',
        })
        response.end(content)
      },
      () => response.writeHead(404).end(),
    )
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return {
    origin: `http://127.0.0.1:${port}`,
    put: (file, text) => void texts.set(file, text),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await once(server.close(), 'close')
    },
  }
}
