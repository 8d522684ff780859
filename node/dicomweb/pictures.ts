import { ProtocolError, codeOf } from '#protocol/errors.ts'
import { pixelLimits } from '#protocol/limits.ts'
import type { InstanceEntry } from '../archive/archive.ts'
import { bulkValue } from '../dicom/bulk.ts'
import type { RandomAccess } from '../dicom/data-set.ts'
import { openFrames } from '../dicom/frames.ts'
import type { PixelPool } from '../dicom/pixel-workers/pool.ts'
import { storedFrame } from '../dicom/pixel-workers/stored-frame.ts'
import type { PictureType } from '../dicom/render/picture.ts'
import { presentationOf, withTables } from '../dicom/render/presentation.ts'
import { type Context, entityTag, isUnchanged, warn } from './answer.ts'
import { contentOf, madeContent } from './content.ts'
import { documentAnswer, documentOf } from './documents.ts'
import type { FrameCache } from './frames.ts'
import { pictureForm } from './negotiation.ts'
import { instancePath } from './paths.ts'
import { type PictureParameters, pictureParameters, viewFor } from './picture-parameters.ts'
import {
  acceptOf,
  answerOf,
  entriesOf,
  type Opened,
  randomAccess,
  type Readers,
  withStudy,
} from './retrieve.ts'
import { type Shot, shotsOf } from './shots.ts'

export type PictureDeps = { doors: Readers; known: FrameCache; pool: PixelPool }

/** Pictures of images (PS3.18 §10.4.1.1.3): made here, from the same bytes that others retrieve. */
export function createPictureRoutes(deps: PictureDeps) {
  const { doors } = deps

  async function answer(
    opened: Opened,
    shots: readonly Shot[],
    { accept, ...parameters }: PictureParameters & { accept: string | undefined },
  ) {
    const { ctx, accessed } = opened
    const form = pictureForm(accept, shots.length)
    const wish = { ...parameters, type: form.type as PictureType }
    const names = shots.map(({ entry, frame }) => `${entry.sha256} ${frame}`)
    const tag = entityTag('picture', String(form.isMultipart), JSON.stringify(wish), ...names)
    if (isUnchanged(ctx, tag)) return undefined
    for (const warning of parameters.warnings) warn(ctx, warning)
    await accessed('rendered', new Set(shots.map(({ entry }) => entry.sop)).size, 0)
    const [only] = shots
    const render = (shot: Shot) => pictureOf(opened, deps, { ...shot, ...wish }).catch(refused)
    const single =
      shots.length === 1 && only !== undefined ? contentOf(await render(only)) : undefined
    const parts = shots.map((shot) => ({
      type: form.type,
      location: `${instancePath(shot.entry)}/frames/${shot.frame}/rendered`,
      content:
        single ??
        madeContent(async function* () {
          yield await render(shot)
        }),
    }))
    return answerOf(parts, form)
  }

  const pictures = (
    ctx: Context,
    query: URLSearchParams,
    accept: string | undefined,
  ): Promise<void> =>
    withStudy(ctx, doors, async (opened) => {
      const entries = await entriesOf(opened)
      const document = documentOf(entries)
      if (document !== undefined) return documentAnswer(opened, document, accept)
      return answer(opened, shotsOf(ctx, entries), { ...pictureParameters(query), accept })
    })

  return {
    /** Every image of what the path names; of an image its representative frame, or the frames that are named. */
    pictures,
    rendered: (ctx: Context): Promise<void> => pictures(ctx, ctx.URL.searchParams, acceptOf(ctx)),

    /** One small picture that stands for all (PS3.18 §10.4.1.1.4). */
    thumbnail: (ctx: Context): Promise<void> =>
      withStudy(ctx, doors, async (opened) => {
        const given = pictureParameters(ctx.URL.searchParams)
        const { thumbnailSide: side } = pixelLimits
        const parameters = { viewport: { width: side, height: side }, ...given }
        const shots = shotsOf(ctx, await entriesOf(opened))
        const middle = shots[Math.floor(shots.length / 2)]
        const wanted = middle === undefined ? [] : [middle]
        return answer(opened, wanted, { ...parameters, accept: acceptOf(ctx) })
      }),
  }
}

async function pictureOf(
  { reader, signal }: Opened,
  { known, pool }: PictureDeps,
  { entry, frame, ...wish }: Shot & PictureParameters & { type: PictureType },
): Promise<Uint8Array> {
  const [header] = await reader.metadata({ sop: entry.sop })
  const data = randomAccess(reader, entry, signal)
  const whole = await withTables(header ?? {}, (path) => valueBytes(data, entry, path))
  const presentation = presentationOf(whole, frame)
  if (presentation === undefined) {
    throw new ProtocolError('not_acceptable', 'this is no image')
  }
  const { format, aspect } = presentation
  const view = viewFor(wish, { ...format, aspect })
  const frames = await known(entry, () => openFrames({ ...entry, data }))
  const image = { data, transferSyntax: entry.transferSyntax, frames, format }
  const voi = wish.window ?? presentation.voi
  const { bytes } = await pool.run(
    {
      kind: 'picture',
      frame: await storedFrame(image, frame),
      presentation: { ...presentation, ...(voi !== undefined && { voi }) },
      wish: { type: wish.type, quality: wish.quality, view },
    },
    signal,
  )
  return bytes
}

async function valueBytes(
  data: RandomAccess,
  { transferSyntax }: InstanceEntry,
  path: string,
): Promise<Uint8Array> {
  const value = await bulkValue(data, transferSyntax, path)
  return 'bytes' in value ? value.bytes : data.read(value.offset, value.length)
}

/** A frame that no decoder can read is not to be had as a picture. */
function refused(error: unknown): never {
  const code = codeOf(error)
  if (code !== 'instance_malformed' && code !== 'too_large') throw error
  throw new ProtocolError('not_acceptable', 'the frame cannot be shown', { cause: error })
}
