import { encode as encodePng } from 'fast-png'
import jpeg from 'jpeg-js'
import { pixelLimits } from '#protocol/limits.ts'
import type { PixelFormat } from '#pixels/pixel-format.ts'
import { rangeOf, type Samples } from '#pixels/bits.ts'
import { brightness, type Modality, modalityValue, type Voi } from '#pixels/grey.ts'
import type { Presentation } from './presentation.ts'

export type PictureType = 'image/jpeg' | 'image/png'

/** What of the image is shown, and how large (PS3.18 §8.3.5.1.3): source pixels, turned over where asked. */
export type View = {
  left: number
  top: number
  width: number
  height: number
  flipX: boolean
  flipY: boolean
  /** Of the picture. */
  columns: number
  rows: number
}

export type PictureWish = {
  type: PictureType
  /** Of a JPEG, 1 to 100. */
  quality: number
  view: View
}

/** 8-bit samples, grey or RGB by pixel. */
type Plane = { width: number; height: number; channels: 1 | 3; data: Uint8Array }

/** A picture of decoded samples: grey through the file's or the asked for window, colour as it is. */
export function renderPicture(
  samples: Samples,
  presentation: Presentation,
  { type, quality, view }: PictureWish,
): Uint8Array<ArrayBuffer> {
  const plane = scaled(shown(samples, presentation), view)
  if (type === 'image/png') {
    const { width, height, channels, data } = plane
    return Uint8Array.from(encodePng({ width, height, channels, data, depth: 8 }))
  }
  return Uint8Array.from(jpeg.encode(rgba(plane), quality).data)
}

function shown(samples: Samples, presentation: Presentation): Plane {
  const { rows, columns, photometric } = presentation.format
  const size = { width: columns, height: rows }
  const isColour = presentation.format.samples === 3 || photometric === 'PALETTE COLOR'
  if (isColour) return { ...size, channels: 3, data: Uint8Array.from(samples) }
  return { ...size, channels: 1, data: greyLevels(samples, presentation) }
}

function greyLevels(samples: Samples, presentation: Presentation): Uint8Array {
  const { format, modality, inverted } = presentation
  const voi = presentation.voi ?? wholeRange(samples, modality)
  const level = (stored: number): number => {
    const value = brightness(voi, modalityValue(modality, stored))
    const bounded = value > 0 ? Math.min(255, Math.round(value)) : 0
    return inverted ? 255 - bounded : bounded
  }
  const out = new Uint8Array(samples.length)
  if (format.bitsAllocated > 16) {
    for (let at = 0; at < samples.length; at++) out[at] = level(samples[at] ?? 0)
    return out
  }
  // One table is cheaper than arithmetic per pixel: there are at most 65,536 different samples.
  const table = new Int16Array(65_536).fill(-1)
  for (let at = 0; at < samples.length; at++) {
    const stored = samples[at] ?? 0
    const pattern = stored & 0xffff
    let found = table[pattern] ?? -1
    if (found < 0) table[pattern] = found = level(stored)
    out[at] = found
  }
  return out
}

/** From the least to the greatest value that the frame has. */
function wholeRange(samples: Samples, modality: Modality): Voi {
  const { min, max } = rangeOf(samples)
  const ends = [modalityValue(modality, min), modalityValue(modality, max)]
  const low = Math.min(...ends)
  const width = Math.max(...ends) - low + 1
  return { kind: 'window', window: { center: low + width / 2, width }, shape: 'LINEAR' }
}

/** Smaller pictures average what they leave out; larger ones repeat it. */
function scaled(plane: Plane, view: View): Plane {
  const { channels, width } = plane
  const { left, top, flipX, flipY, columns, rows } = view
  const isWhole = left === 0 && top === 0 && view.width === width && view.height === plane.height
  const isSame = isWhole && !flipX && !flipY && columns === width && rows === plane.height
  if (isSame) return plane
  const data = new Uint8Array(columns * rows * channels)
  const spans = (count: number, length: number, start: number, flip: boolean) =>
    Array.from({ length: count }, (_, at) => {
      const index = flip ? count - 1 - at : at
      const from = Math.floor((index * length) / count)
      const to = Math.max(from + 1, Math.floor(((index + 1) * length) / count))
      return { from: start + from, to: start + to }
    })
  const across = spans(columns, view.width, left, flipX)
  const down = spans(rows, view.height, top, flipY)
  let out = 0
  for (const y of down) {
    for (const x of across) {
      for (let channel = 0; channel < channels; channel++) {
        data[out++] = average(plane, { x, y, channel })
      }
    }
  }
  return { width: columns, height: rows, channels, data }
}

type Span = { from: number; to: number }

function average(
  { data, width, channels }: Plane,
  { x, y, channel }: { x: Span; y: Span; channel: number },
): number {
  let sum = 0
  for (let row = y.from; row < y.to; row++) {
    for (let column = x.from; column < x.to; column++) {
      sum += data[(row * width + column) * channels + channel] ?? 0
    }
  }
  return Math.round(sum / ((y.to - y.from) * (x.to - x.from)))
}

function rgba({ width, height, channels, data }: Plane) {
  const out = Buffer.alloc(width * height * 4, 255)
  for (let pixel = 0; pixel < width * height; pixel++) {
    for (let channel = 0; channel < 3; channel++) {
      out[pixel * 4 + channel] = data[pixel * channels + (channels === 3 ? channel : 0)] ?? 0
    }
  }
  return { width, height, data: out }
}

/**
 * What is shown of an image: the region asked for, its proportions kept, in square pixels. It is as large as fits in
 * the size that is asked for; without one no sample is lost, as long as the shape of the pixels lets it.
 */
export function viewOf(
  { columns, rows, aspect }: Shape,
  { source = {}, size }: { source?: Region | undefined; size?: Size | undefined },
): View | undefined {
  const { x = 0, y = 0, width = columns, height = rows } = source
  const region = {
    left: Math.floor(x),
    top: Math.floor(y),
    width: Math.round(Math.abs(width)),
    height: Math.round(Math.abs(height)),
  }
  const isInside =
    region.left >= 0 &&
    region.top >= 0 &&
    region.width >= 1 &&
    region.height >= 1 &&
    region.left + region.width <= columns &&
    region.top + region.height <= rows
  if (!isInside) return undefined
  const square = {
    width: region.width * Math.max(1, 1 / aspect),
    height: region.height * Math.max(1, aspect),
  }
  // A header may say any shape; a picture has the size of its image or of a viewport.
  const most = Math.max(region.width, region.height, pixelLimits.viewportMax)
  const fit = ({ width: across, height: down }: Size) =>
    Math.min(across / square.width, down / square.height)
  const scale = size === undefined ? Math.min(1, fit({ width: most, height: most })) : fit(size)
  return {
    ...region,
    flipX: width < 0,
    flipY: height < 0,
    columns: Math.max(1, Math.round(square.width * scale)),
    rows: Math.max(1, Math.round(square.height * scale)),
  }
}

/** `viewport={vw},{vh}[,{sx},{sy},{sw},{sh}]` (PS3.18 §8.3.5.1.3); a negative size turns the image over. */
export type Viewport = Size & { source?: Region }

export type Size = { width: number; height: number }

export type Region = {
  x?: number | undefined
  y?: number | undefined
  width?: number | undefined
  height?: number | undefined
}

/** Of an image and its pixels. */
export type Shape = Pick<PixelFormat, 'columns' | 'rows'> & Pick<Presentation, 'aspect'>
