import type { Middleware } from 'koa'
import { ProtocolError } from '#protocol/errors.ts'
import { parseTilePath } from '#protocol/transparency/tiles.ts'
import type { Transparency } from '../transparency/transparency.ts'

const prefix = '/log/'

/** The transparency log as files that anybody may read (C2SP tlog-tiles): it says nothing that is not for everybody. */
export const logFiles =
  ({ kept }: Pick<Transparency, 'kept'>): Middleware =>
  async (ctx, next) => {
    if (!ctx.path.startsWith(prefix)) {
      await next()
      return
    }
    const path = ctx.path.slice(prefix.length)
    if (kept !== undefined && path === 'checkpoint') {
      ctx.type = 'text/plain; charset=utf-8'
      ctx.body = kept.cosignatures.newest()
      return
    }
    const name = parseTilePath(path)
    const bytes = name && (await kept?.log.tile(name))
    if (bytes === undefined) throw new ProtocolError('not_found', 'no such file of the log')
    ctx.type = 'application/octet-stream'
    ctx.set('Cache-Control', 'public, max-age=31536000, immutable')
    ctx.body = Buffer.from(bytes)
  }
