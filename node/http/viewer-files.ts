import { createReadStream } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import path from 'node:path'
import type { Context, Middleware } from 'koa'

/** A file of the built viewer, with the compressed forms that lie beside it. */
type Served = { file: string; bytes: number; changedAt: number; br?: Served; gzip?: Served }

const rescanMs = 2000

/**
 * The viewer's files, by a table made from the folder: no path is ever made from a request. Every other page of the
 * application is `index.html`; which requests those are is told by what they accept, since UIDs look like file names.
 */
export function createViewerFiles(folder: string, clock: () => number): Middleware {
  let table: Map<string, Served> = new Map()
  let scannedAt = -Infinity
  const find = async (name: string) => {
    const found = table.get(name)
    if (found !== undefined || clock() - scannedAt < rescanMs) return found
    // Built after the node started, or anew since.
    scannedAt = clock()
    table = await scan(folder)
    return table.get(name)
  }
  const choose = async (ctx: Context) =>
    (await find(ctx.path)) ?? (isPage(ctx) ? find('/index.html') : undefined)
  return async (ctx, next) => {
    const served = ctx.method === 'GET' || ctx.method === 'HEAD' ? await choose(ctx) : undefined
    if (served === undefined) await next()
    else send(ctx, served)
  }
}

const isPage = (ctx: Context) =>
  !/^\/(api|dicom-web|assets)(\/|$)/.test(ctx.path) && ctx.get('Accept').includes('text/html')

function send(ctx: Context, served: Served): void {
  const isImmutable = ctx.path.startsWith('/assets/')
  // Names in /assets carry the digest of the content.
  ctx.set('Cache-Control', isImmutable ? 'public, max-age=31536000, immutable' : 'no-cache')
  ctx.vary('Accept-Encoding')
  const encoding = encodingOf(ctx, served)
  const chosen = encoding === undefined ? served : (served[encoding] ?? served)
  ctx.etag = `W/"${chosen.bytes.toString(36)}-${Math.floor(chosen.changedAt).toString(36)}"`
  ctx.status = 200
  if (ctx.fresh) {
    ctx.status = 304
    return
  }
  ctx.type = path.extname(served.file)
  if (encoding !== undefined) ctx.set('Content-Encoding', encoding)
  ctx.length = chosen.bytes
  ctx.body = ctx.method === 'HEAD' ? '' : createReadStream(chosen.file)
  ctx.length = chosen.bytes
}

function encodingOf(ctx: Context, { br, gzip }: Served): 'br' | 'gzip' | undefined {
  const offered = [...(br === undefined ? [] : ['br']), ...(gzip === undefined ? [] : ['gzip'])]
  if (offered.length === 0) return undefined
  const accepted = ctx.acceptsEncodings(...offered, 'identity')
  return accepted === 'br' || accepted === 'gzip' ? accepted : undefined
}

async function scan(folder: string): Promise<Map<string, Served>> {
  const table = new Map<string, Served>()
  for (const file of await filesBelow(folder)) {
    const name = `/${path.relative(folder, file).split(path.sep).join('/')}`
    const { size, mtimeMs } = await stat(file)
    table.set(name, { file, bytes: size, changedAt: mtimeMs })
  }
  for (const [name, served] of table) {
    const br = table.get(`${name}.br`)
    const gzip = table.get(`${name}.gz`)
    if (br !== undefined) served.br = br
    if (gzip !== undefined) served.gzip = gzip
  }
  return table
}

async function filesBelow(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true })
    return entries
      .filter((entry) => entry.isFile())
      .map((entry) => path.join(entry.parentPath, entry.name))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}
