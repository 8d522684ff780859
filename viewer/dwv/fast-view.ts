import { type Index, View } from 'dwv'
import { greyTable, pixelOf } from '../imaging/lut.ts'
import { type Grey, greyLevel, type LookUp } from '#pixels/grey.ts'
import { StreamImage } from './stream-image.ts'

/**
 * dwv renders through an iterator per pixel: 5 ms for a CT slice, up to 600 ms for a mammogram, at every step of the
 * window. This path makes one table per window and a plain loop, and it knows what dwv does not: VOI and Modality LUT
 * sequences, a rescale per slice, 32-bit samples, flips.
 */
const stock = Object.getOwnPropertyDescriptor(View.prototype, 'generateImageData')?.value as (
  this: View,
  data: ImageData,
  index: Index,
) => void

/** Replaces dwv's rendering for our images; others keep dwv's own. Calling it again changes nothing. */
export function installFastView(): void {
  View.prototype.generateImageData = generateImageData
}

function generateImageData(this: View, data: ImageData, index?: Index): void {
  const image = this.getImage()
  const at = index ?? this.getCurrentIndex()
  if (at === undefined) return
  if (!(image instanceof StreamImage)) return stock.call(this, data, at)
  const slice = at.get(3) ?? 0
  const out = new Uint32Array(data.data.buffer)
  if (image.isMonochrome()) paintGrey(image, slice, out)
  else paintColour(image, slice, out)
  flip(out, image)
}

type Cached = {
  key: string
  modality: LookUp | undefined
  voi: LookUp | undefined
  table: Uint32Array
}
const tables = new WeakMap<StreamImage, Cached>()

function paintGrey(image: StreamImage, slice: number, out: Uint32Array): void {
  const { stack, samples, display } = image
  const modality = stack.slices[slice]?.modality ?? { rescale: { slope: 1, intercept: 0 } }
  // MONOCHROME1 means that the lowest value is white (PS3.3 C.7.6.3.1.2).
  const inverted = display.inverted !== (stack.format.photometric === 'MONOCHROME1')
  const grey: Grey = { modality, voi: display.voi, inverted }
  const first = slice * out.length
  if (samples.BYTES_PER_ELEMENT > 2) {
    for (let at = 0; at < out.length; at++) {
      out[at] = pixelOf(greyLevel(grey, samples[first + at] ?? 0))
    }
    return
  }
  const table = tableFor(image, grey)
  for (let at = 0; at < out.length; at++) out[at] = table[(samples[first + at] ?? 0) & 0xffff] ?? 0
}

function tableFor(image: StreamImage, grey: Grey): Uint32Array {
  const { voi, modality, inverted } = grey
  const rule = voi.kind === 'window' ? [voi.window, voi.shape] : []
  const key = JSON.stringify([rule, modality.rescale, inverted])
  const own = voi.kind === 'table' ? voi.table : undefined
  const cached = tables.get(image)
  // Tables of slices may be alike in all but their entries, so they are told apart as objects.
  if (cached?.key === key && cached.modality === modality.table && cached.voi === own) {
    return cached.table
  }
  const table = greyTable(grey, image.stack.format.signed)
  tables.set(image, { key, modality: modality.table, voi: own, table })
  return table
}

function paintColour({ samples, display }: StreamImage, slice: number, out: Uint32Array): void {
  const mask = display.inverted ? 0x00ffffff : 0
  let from = slice * out.length * 3
  for (let at = 0; at < out.length; at++, from += 3) {
    const red = samples[from] ?? 0
    const green = samples[from + 1] ?? 0
    const blue = samples[from + 2] ?? 0
    out[at] = (0xff000000 | (blue << 16) | (green << 8) | red) ^ mask
  }
}

function flip(out: Uint32Array, { display, stack }: StreamImage): void {
  const { columns } = stack.format
  if (display.flipX && display.flipY) {
    out.reverse()
    return
  }
  if (display.flipX) {
    for (let at = 0; at < out.length; at += columns) out.subarray(at, at + columns).reverse()
  }
  if (display.flipY) {
    const row = new Uint32Array(columns)
    for (let top = 0, low = out.length - columns; top < low; top += columns, low -= columns) {
      row.set(out.subarray(top, top + columns))
      out.copyWithin(top, low, low + columns)
      out.set(row, low)
    }
  }
}
