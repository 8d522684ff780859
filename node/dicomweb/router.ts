import { Router } from '@koa/router'
import { ProtocolError } from '#protocol/errors.ts'
import type { Archive } from '../archive/archive.ts'
import type { Doors } from '../access/doors.ts'
import type { Context, State } from './answer.ts'
import { createFrameRoutes } from './frames.ts'
import { retrieveMetadata } from './metadata.ts'
import { entriesOf, retrieveInstances, withStudy } from './retrieve.ts'
import { searchAll, searchStudy } from './search.ts'
import { storeInstances } from './store.ts'
import { retrieveByUri } from './wado-uri.ts'

export type DicomwebDeps = {
  doors: Pick<Doors, 'openStudy' | 'search' | 'accessed'>
  archive: Pick<Archive, 'ingest'>
}

const study = '/studies/:study'
const series = `${study}/series/:series`
const instance = `${series}/instances/:sop`

/**
 * DICOMweb (PS3.18): QIDO-RS, WADO-RS, WADO-URI and STOW-RS. Mounted at `/dicom-web` behind authentication, which puts
 * the signed-in user into the state; every way to images goes through `doors`. Failures are thrown as `ProtocolError`.
 */
export function createDicomweb({ doors, archive }: DicomwebDeps): Router<State> {
  const router = new Router<State>()
  const { frames, bulkData } = createFrameRoutes(doors)

  router.get('/studies', (ctx) => searchAll(ctx, doors, 'study'))
  router.get('/series', (ctx) => searchAll(ctx, doors, 'series'))
  router.get('/instances', (ctx) => searchAll(ctx, doors, 'instance'))
  router.get(`${study}/series`, (ctx) => searchStudy(ctx, doors, 'series'))
  router.get(`${study}/instances`, (ctx) => searchStudy(ctx, doors, 'instance'))
  router.get(`${series}/instances`, (ctx) => searchStudy(ctx, doors, 'instance'))

  for (const level of [study, series, instance]) {
    router.get(level, (ctx) => retrieveInstances(ctx, doors))
    router.get(`${level}/metadata`, (ctx) => retrieveMetadata(ctx, doors))
  }
  router.get(`${instance}/frames/:frames`, frames)
  router.get(`${instance}/bulkdata/*path`, bulkData)
  for (const level of [study, series, instance, `${instance}/frames/:frames`]) {
    router.get([`${level}/rendered`, `${level}/thumbnail`], refuseRendering)
  }

  router.post(['/studies', study], (ctx) => storeInstances(ctx, { archive }))
  router.get(['/', '/wado'], (ctx) => retrieveByUri(ctx, doors))
  return router

  /** Pictures are made by the viewer; who may not read the study learns that first, as everywhere. */
  async function refuseRendering(ctx: Context): Promise<void> {
    await withStudy(ctx, doors, async (opened) => {
      await entriesOf(opened)
      throw new ProtocolError('not_acceptable', 'pictures are not rendered here')
    })
  }
}
