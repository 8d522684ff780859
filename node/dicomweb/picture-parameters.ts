import { WrongRequest } from '#protocol/errors.ts'
import { pixelLimits } from '#protocol/limits.ts'
import type { Voi, WindowFunction } from '#pixels/grey.ts'
import {
  type Region,
  type Shape,
  type View,
  type Viewport,
  viewOf,
} from '../dicom/render/picture.ts'

/** How a picture is wished for (PS3.18 §8.3.5). */
export type PictureParameters = {
  window?: Voi
  viewport?: Viewport
  /** Of WADO-URI: left, top, right and bottom as fractions of the image (PS3.18 §9.1.2.2.6). */
  region?: readonly [number, number, number, number]
  quality: number
  warnings: string[]
}

const functions = new Map<string, WindowFunction>([
  ['linear', 'LINEAR'],
  ['linear-exact', 'LINEAR_EXACT'],
  ['sigmoid', 'SIGMOID'],
])

/** Reads the parameters; `bad_request` for what means nothing. */
export function pictureParameters(given: URLSearchParams): PictureParameters {
  const window = given.get('window')
  const region = given.get('region')
  const viewport = given.get('viewport')
  const wish: PictureParameters = {
    quality: qualityOf(given.get('quality')),
    warnings: [],
    ...(window !== null && { window: windowOf(window) }),
    ...(viewport !== null && { viewport: viewportOf(viewport) }),
    ...(region !== null && { region: regionOf(region) }),
  }
  readAnnotation(wish, given.get('annotation'))
  readProfile(wish, given.get('iccprofile'))
  return wish
}

/** `center,width[,function]`. */
function windowOf(text: string): Voi {
  const [center, width, name = 'linear', ...rest] = text.split(',')
  const shape = functions.get(name.trim().toLowerCase())
  const window = { center: numberFrom(center), width: numberFrom(width) }
  const isRight = shape !== undefined && rest.length === 0 && window.width > 0
  if (!isRight) return wrong('window is center,width,function')
  if (shape === 'LINEAR' && window.width < 1) wrong('a linear window is at least 1 wide')
  return { kind: 'window', window, shape }
}

function viewportOf(text: string): Viewport {
  const [width, height, ...region] = text.split(',')
  const size = { width: numberFrom(width), height: numberFrom(height) }
  const { viewportMax } = pixelLimits
  const isRight =
    Math.min(size.width, size.height) >= 1 &&
    Math.max(size.width, size.height) <= viewportMax &&
    Number.isInteger(size.width) &&
    Number.isInteger(size.height) &&
    (region.length === 0 || region.length === 4)
  if (!isRight) return wrong('viewport is width,height[,left,top,width,height]')
  if (region.length === 0) return size
  const [x, y, w, h] = region.map((one) => (one.trim() === '' ? undefined : numberFrom(one)))
  return { ...size, source: { x, y, width: w, height: h } }
}

function regionOf(text: string): readonly [number, number, number, number] {
  const [left = 2, top = 2, right = 2, bottom = 2, ...rest] = text.split(',').map(numberFrom)
  const isRight = left >= 0 && top >= 0 && left < right && top < bottom && rest.length === 0
  if (!isRight || right > 1 || bottom > 1) wrong('region is left,top,right,bottom as fractions')
  return [left, top, right, bottom]
}

function qualityOf(text: string | null): number {
  if (text === null) return pixelLimits.jpegQuality
  const quality = numberFrom(text)
  const isRight = Number.isInteger(quality) && quality >= 1 && quality <= 100
  return isRight ? quality : wrong('quality is 1 to 100')
}

/** Texts are not burned in: who shows the picture has them as metadata. */
function readAnnotation(wish: PictureParameters, text: string | null): void {
  if (text === null) return
  const names = text.split(',').map((one) => one.trim())
  if (!names.every((name) => /^[a-z-]{1,32}$/i.test(name))) wrong('annotation is a list of words')
  wish.warnings.push('The annotation parameter is not supported and was ignored.')
}

const profiles = new Set(['no', 'yes', 'srgb', 'adobergb', 'rommrgb', 'displayp3'])

/** Pictures have no profile, which everywhere means sRGB. */
function readProfile(wish: PictureParameters, text: string | null): void {
  if (text === null) return
  const name = text.toLowerCase()
  if (!profiles.has(name)) wrong('the iccprofile is unknown')
  if (name === 'no' || name === 'srgb') return
  wish.warnings.push('The iccprofile parameter is not supported; the picture is sRGB.')
}

/** What of an image is shown, and how large; `bad_request` when it lies outside of it. */
export function viewFor({ viewport, region }: PictureParameters, shape: Shape): View {
  const source = region === undefined ? viewport?.source : sourceOf(region, shape)
  return viewOf(shape, { source, size: viewport }) ?? wrong('the region is not in the image')
}

const sourceOf = (
  [left, top, right, bottom]: readonly [number, number, number, number],
  { columns, rows }: Shape,
): Region => ({
  x: Math.floor(left * columns),
  y: Math.floor(top * rows),
  width: Math.max(1, Math.floor((right - left) * columns)),
  height: Math.max(1, Math.floor((bottom - top) * rows)),
})

function numberFrom(text: string | undefined): number {
  const isNumber = text !== undefined && /^-?\d{1,9}(\.\d{1,9})?$/.test(text.trim())
  return isNumber ? Number(text) : wrong('a number is wrong')
}

function wrong(why: string): never {
  throw new WrongRequest(why)
}
