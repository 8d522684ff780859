import { ProtocolError, WrongRequest } from '#protocol/errors.ts'
import { dicomwebLimits } from '#protocol/limits.ts'
import type { InstanceEntry } from '../archive/archive.ts'
import { type Bytes, bulkValue } from '../dicom/bulk.ts'
import type { RandomAccess } from '../dicom/data-set.ts'
import { type Frames, openFrames } from '../dicom/frames.ts'
import type { PixelPool } from '../dicom/pixel-workers/pool.ts'
import { transcodeFrame } from '../dicom/transcode/transcode.ts'
import { type Answer, type Context, entityTag, isUnchanged } from './answer.ts'
import { madeContent, type Part } from './content.ts'
import { bulkForm } from './negotiation.ts'
import { instancePath } from './paths.ts'
import {
  acceptOf,
  answerOf,
  entriesOf,
  type Opened,
  pixelSyntax,
  randomAccess,
  type Readers,
  storedContent,
  storedOf,
  withStudy,
} from './retrieve.ts'

export const pixelData = '7FE00010'

export type FrameDeps = { doors: Readers; known: FrameCache; pool: PixelPool }

/** Frames and bulk values, which share what is known of where an image's frames lie. */
export function createFrameRoutes(deps: FrameDeps) {
  const { doors } = deps
  return {
    /** PS3.18 §10.4.1.1.6. */
    frames: (ctx: Context): Promise<void> =>
      withStudy(ctx, doors, async (opened) => {
        const numbers = frameNumbers(ctx.params['frames'] ?? '')
        const [entry] = await entriesOf(opened)
        return entry && framesAnswer(opened, deps, { entry, numbers })
      }),

    /** PS3.18 §10.4.1.1.5: what `BulkDataURI` in metadata refers to. */
    bulkData: (ctx: Context): Promise<void> =>
      withStudy(ctx, doors, async (opened) => {
        const path = bulkPath(ctx.params['path'] ?? '')
        const [entry] = await entriesOf(opened)
        if (entry === undefined) return undefined
        if (path === pixelData) return framesAnswer(opened, deps, { entry })
        const data = randomAccess(opened.reader, entry, opened.signal)
        const value = await bulkValue(data, entry.transferSyntax, path)
        const form = bulkForm(acceptOf(ctx), { syntax: '', makes: () => false }, 1)
        if (isUnchanged(ctx, entityTag(entry.sha256, String(form.isMultipart), path))) {
          return undefined
        }
        await opened.accessed(`bulk data ${path}`.slice(0, 256), 1, value.length)
        const content = storedContent(opened, entry.sop, [value])
        const location = `${instancePath(entry)}/bulkdata/${path}`
        return answerOf([{ type: form.type, location, content }], form)
      }),
  }
}

type Wish = { entry: InstanceEntry; numbers?: number[] }

/** Frames as they are stored, or decoded where the client asks for that. */
async function framesAnswer(
  opened: Opened,
  { known, pool }: FrameDeps,
  { entry, numbers: wanted }: Wish,
): Promise<Answer | undefined> {
  const { ctx, reader, signal, accessed } = opened
  if (entry.damaged === true) {
    throw new ProtocolError('instance_malformed', 'the pixels do not fit their description')
  }
  const data = randomAccess(reader, entry, signal)
  const frames = await known(entry, () => openFrames({ ...entry, data }))
  const numbers = wanted ?? Array.from({ length: frames.count }, (_, index) => index + 1)
  if (numbers.some((number) => number > frames.count)) {
    throw new ProtocolError('not_found', 'no such frame')
  }
  const syntax = pixelSyntax(entry.transferSyntax)
  const form = bulkForm(acceptOf(ctx), { ...storedOf(entry), syntax }, numbers.length)
  const { target } = form
  const names = [entry.sha256, String(form.isMultipart), form.type, target, numbers.join(',')]
  if (isUnchanged(ctx, entityTag(...names))) return undefined
  const parts: Part[] = []
  let bytes = 0
  for (const number of numbers) {
    const places = await frames.frame(number, data)
    bytes += places.reduce((sum, { length }) => sum + length, 0)
    const image = { ...entry, data, frames }
    parts.push(framePart(opened, { image, number, places, target, type: form.type, pool }))
  }
  await accessed(`frames ${numbers.join(',')}`.slice(0, 256), 1, bytes)
  return answerOf(parts, form)
}

type FrameWish = {
  image: InstanceEntry & { data: RandomAccess; frames: Frames }
  number: number
  places: readonly Bytes[]
  target: string
  type: string
  pool: PixelPool
}

/** A frame as it is stored, or made when it is wanted. */
export const framePart = (
  opened: Opened,
  { image, number, places, target, type, pool }: FrameWish,
): Part => ({
  type: `${type}; transfer-syntax=${target}`,
  location: `${instancePath(image)}/frames/${number}`,
  content:
    target === pixelSyntax(image.transferSyntax)
      ? storedContent(opened, image.sop, places)
      : madeContent(async function* () {
          yield await transcodeFrame(image, { number, target, pool })
        }),
})

export function frameNumbers(text: string): number[] {
  const numbers = text.split(',').map((one) => (/^\d{1,9}$/.test(one.trim()) ? Number(one) : 0))
  const isRight =
    numbers.every((number) => number > 0) && numbers.length <= dicomwebLimits.framesPerRequest
  if (!isRight) throw new WrongRequest('frames are numbers from 1')
  return numbers
}

export const isBulkPath = (text: string): boolean =>
  /^[0-9A-F]{8}(\/\d{1,7}\/[0-9A-F]{8}){0,128}$/.test(text)

function bulkPath(text: string): string {
  const path = text.toUpperCase()
  if (!isBulkPath(path)) throw new WrongRequest('this is no path of a value')
  return path
}

export type FrameCache = ReturnType<typeof createFrameCache>

/** Where frames lie is found once per image, not once per frame; the least recently used are forgotten. */
export function createFrameCache() {
  const cache = new Map<string, Frames>()
  return async (
    { sha256 }: Pick<InstanceEntry, 'sha256'>,
    open: () => Promise<Frames>,
  ): Promise<Frames> => {
    const frames = cache.get(sha256) ?? (await open())
    cache.delete(sha256)
    cache.set(sha256, frames)
    const [oldest] = cache.keys()
    if (cache.size > dicomwebLimits.framesCached && oldest !== undefined) cache.delete(oldest)
    return frames
  }
}
