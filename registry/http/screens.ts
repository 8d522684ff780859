import { createReadStream } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import path from 'node:path'
import type { Context, Middleware } from 'koa'

type Served = { file: string; bytes: number; changedAt: number; br?: Served }

const entry = '/operator.html'
const rescanMs = 2000

/** No inline script or style, no other origin: the screens need nothing else. */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ')

/** The operator's screens as `npm run build` leaves them in `folder`; any page of the application is one file. */
export function createScreens(folder: string, clock: () => number): Middleware {
  let table = new Map<string, Served>()
  let scannedAt = -Infinity
  const find = async (name: string): Promise<Served | undefined> => {
    if (!table.has(name) && clock() - scannedAt >= rescanMs) {
      // Built after the registry started, or anew since.
      scannedAt = clock()
      table = await scan(folder)
    }
    return table.get(name)
  }
  return async (ctx, next) => {
    const isRead = ctx.method === 'GET' || ctx.method === 'HEAD'
    const served = isRead
      ? ((await find(ctx.path)) ?? (isPage(ctx) ? await find(entry) : undefined))
      : undefined
    if (served === undefined) await next()
    else send(ctx, served)
  }
}

const isPage = (ctx: Context): boolean =>
  !/^\/(api|assets|health)(\/|$)/.test(ctx.path) && ctx.get('Accept').includes('text/html')

function send(ctx: Context, served: Served): void {
  // Names in /assets carry the digest of the content.
  const isImmutable = ctx.path.startsWith('/assets/')
  ctx.set('Cache-Control', isImmutable ? 'public, max-age=31536000, immutable' : 'no-cache')
  ctx.set('Content-Security-Policy', contentSecurityPolicy)
  ctx.vary('Accept-Encoding')
  const isBrotli = served.br !== undefined && ctx.acceptsEncodings('br', 'identity') === 'br'
  const chosen = isBrotli && served.br !== undefined ? served.br : served
  ctx.etag = `W/"${chosen.bytes.toString(36)}-${Math.floor(chosen.changedAt).toString(36)}"`
  ctx.status = 200
  if (ctx.fresh) {
    ctx.status = 304
    return
  }
  ctx.type = path.extname(served.file)
  if (isBrotli) ctx.set('Content-Encoding', 'br')
  ctx.body = ctx.method === 'HEAD' ? '' : createReadStream(chosen.file)
  ctx.length = chosen.bytes
}

async function scan(folder: string): Promise<Map<string, Served>> {
  const table = new Map<string, Served>()
  for (const file of await filesBelow(folder)) {
    const { size, mtimeMs } = await stat(file)
    const name = `/${path.relative(folder, file).split(path.sep).join('/')}`
    table.set(name, { file, bytes: size, changedAt: mtimeMs })
  }
  for (const [name, served] of table) {
    const br = table.get(`${name}.br`)
    if (br !== undefined) served.br = br
  }
  return table
}

async function filesBelow(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true })
    return entries.filter((one) => one.isFile()).map((one) => path.join(one.parentPath, one.name))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}
