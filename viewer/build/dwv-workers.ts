import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import type { Plugin } from 'vite'

const require = createRequire(import.meta.url)
const folder = path.join(path.dirname(require.resolve('dwv')), 'assets/workers')
const workerUrl = /new URL\("\.\/"\+(\w+)\.u\((\d+)\),\s*\1\.b\)/g

/**
 * dwv looks for its workers beside the page's address, which is wrong on every deep route; here they get an absolute
 * address and are served from there. The build fails when dwv changes, so that the fix cannot rot unseen.
 */
export function dwvWorkers(): Plugin {
  let base = '/'
  return {
    name: 'dwv-workers',
    enforce: 'pre',
    configResolved(config) {
      base = config.base
    },
    transform(code, id) {
      if (!/dwv\.min\.js/.test(id)) return undefined
      const fixed = code.replace(
        workerUrl,
        `new URL($1.u($2), new URL(${JSON.stringify(base)}, self.location.origin))`,
      )
      if (fixed === code) this.error('the worker addresses of dwv were not found: dwv has changed')
      return { code: fixed, map: null }
    },
    configureServer(server) {
      server.middlewares.use((request, response, next) => {
        const file = /\/assets\/workers\/([\w.]+\.js)$/.exec(request.url ?? '')?.[1]
        if (file === undefined) return next()
        response.setHeader('content-type', 'text/javascript')
        response.end(readFileSync(path.join(folder, path.basename(file))))
      })
    },
    generateBundle() {
      for (const file of readdirSync(folder)) {
        if (!file.endsWith('.js')) continue
        const source = readFileSync(path.join(folder, file), 'utf8')
        this.emitFile({
          type: 'asset',
          fileName: `assets/workers/${file}`,
          source: source.replace(/\n?\/\/# sourceMappingURL=.*$/m, ''),
        })
      }
    },
  }
}
