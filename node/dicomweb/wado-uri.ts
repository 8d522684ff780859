import { ProtocolError, WrongRequest } from '#protocol/errors.ts'
import type { PixelPool } from '../dicom/pixel-workers/pool.ts'
import type { Context } from './answer.ts'
import type { createPictureRoutes } from './pictures.ts'
import { entriesOf, filesAnswer, type Readers, withStudy } from './retrieve.ts'

export type UriDeps = {
  doors: Readers
  pool: PixelPool
  pictures: ReturnType<typeof createPictureRoutes>
}

/**
 * One instance by query parameters (PS3.18 §9), which older viewers still use: a file, or a picture when one is asked
 * for. Without a wish it is the file, although the standard would render a JPEG then.
 */
export async function retrieveByUri(ctx: Context, deps: UriDeps): Promise<void> {
  const parameters = ctx.URL.searchParams
  if (parameters.get('requestType') !== 'WADO') {
    throw new WrongRequest('requestType must be WADO')
  }
  if (parameters.get('anonymize') !== null) {
    throw new ProtocolError('not_acceptable', 'instances are given as they are stored')
  }
  const frame = parameters.get('frameNumber')
  ctx.params = {
    study: parameters.get('studyUID') ?? '',
    series: parameters.get('seriesUID') ?? '',
    sop: parameters.get('objectUID') ?? '',
    ...(frame !== null && { frames: frame }),
  }
  const types = parameters.get('contentType') ?? '*/*'
  if (/^\s*image\//.test(types)) {
    await deps.pictures.pictures(ctx, renderedQuery(parameters), types)
    return
  }
  const syntax = parameters.get('transferSyntax')
  const accept = types
    .split(',')
    .map((type) => (type.trim() === '*/*' ? 'application/dicom' : type.trim()))
    .map((type) => (syntax === null ? type : `${type}; transfer-syntax=${syntax}`))
    .join(',')
  await withStudy(ctx, deps.doors, async (opened) =>
    filesAnswer(opened, { entries: await entriesOf(opened), accept, pool: deps.pool }),
  )
}

/** The parameters of PS3.18 §9.1.2.2 as those of /rendered: only their names are different, and regions are fractions. */
function renderedQuery(uri: URLSearchParams): URLSearchParams {
  const query = new URLSearchParams()
  const take = (from: string, to: string) => {
    const value = uri.get(from)
    if (value !== null) query.set(to, value)
  }
  take('imageQuality', 'quality')
  take('annotation', 'annotation')
  const [center, width] = [uri.get('windowCenter'), uri.get('windowWidth')]
  if (center !== null || width !== null) query.set('window', `${center ?? ''},${width ?? ''}`)
  const [rows, columns, region] = [uri.get('rows'), uri.get('columns'), uri.get('region')]
  if (rows !== null || columns !== null) {
    query.set('viewport', `${columns ?? rows},${rows ?? columns}`)
  }
  if (region !== null) query.set('region', region)
  return query
}
