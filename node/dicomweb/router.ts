import { Router } from '@koa/router'
import type { Doors } from '../access/doors.ts'
import type { PixelPool } from '../dicom/pixel-workers/pool.ts'
import type { State } from './answer.ts'
import { retrieveBulk } from './bulk-values.ts'
import { createFrameCache, createFrameRoutes } from './frames.ts'
import { retrieveMetadata } from './metadata.ts'
import { prefersBulk } from './negotiation.ts'
import { createPictureRoutes } from './pictures.ts'
import { type DeletePolicy, rejectPath } from './reject.ts'
import { acceptOf, retrieveInstances } from './retrieve.ts'
import { searchAll, searchStudy } from './search.ts'
import { createStore } from './store.ts'
import { retrieveByUri } from './wado-uri.ts'

export type DicomwebDeps = {
  doors: Pick<Doors, 'openStudy' | 'search' | 'accessed' | 'store' | 'reject'>
  deletePolicy: DeletePolicy
  /** Decodes pixels for pictures and other transfer syntaxes. */
  pool: PixelPool
}

const study = '/studies/:study'
const series = `${study}/series/:series`
const instance = `${series}/instances/:sop`

/**
 * DICOMweb (PS3.18): QIDO-RS, WADO-RS, WADO-URI, STOW-RS and rejection by DELETE. Mounted at `/dicom-web` behind authentication, which puts
 * the signed-in user into the state; every way to images goes through `doors`. Failures are thrown as `ProtocolError`.
 */
export function createDicomweb({ doors, pool, deletePolicy }: DicomwebDeps): Router<State> {
  const router = new Router<State>()
  const known = createFrameCache()
  const frameDeps = { doors, known, pool }
  const { frames, bulkData } = createFrameRoutes(frameDeps)
  const pictures = createPictureRoutes({ doors, known, pool })

  router.get('/studies', (ctx) => searchAll(ctx, doors, 'study'))
  router.get('/series', (ctx) => searchAll(ctx, doors, 'series'))
  router.get('/instances', (ctx) => searchAll(ctx, doors, 'instance'))
  router.get(`${study}/series`, (ctx) => searchStudy(ctx, doors, 'series'))
  router.get(`${study}/instances`, (ctx) => searchStudy(ctx, doors, 'instance'))
  router.get(`${series}/instances`, (ctx) => searchStudy(ctx, doors, 'instance'))

  for (const level of [study, series, instance]) {
    router.get(level, (ctx) =>
      prefersBulk(acceptOf(ctx))
        ? retrieveBulk(ctx, frameDeps, 'bulkdata')
        : retrieveInstances(ctx, doors, pool),
    )
    router.get(`${level}/metadata`, (ctx) => retrieveMetadata(ctx, doors))
    router.get(`${level}/bulkdata`, (ctx) => retrieveBulk(ctx, frameDeps, 'bulkdata'))
    router.get(`${level}/pixeldata`, (ctx) => retrieveBulk(ctx, frameDeps, 'pixeldata'))
  }
  router.get(`${instance}/frames/:frames`, frames)
  router.get(`${instance}/bulkdata/*path`, bulkData)
  for (const level of [study, series, instance, `${instance}/frames/:frames`]) {
    router.get(`${level}/rendered`, pictures.rendered)
    router.get(`${level}/thumbnail`, pictures.thumbnail)
  }

  router.post(['/studies', study], createStore(doors))
  router.delete([study, series, instance], (ctx) => rejectPath(ctx, doors, deletePolicy))
  router.get(['/', '/wado'], (ctx) => retrieveByUri(ctx, { doors, pool, pictures }))
  return router
}
