import type { PixelFormat } from './pixel-format.ts'

/** Whatever colour a frame comes in, it is shown as 8-bit RGB interleaved by pixel. */
const clamp = (value: number) => (value < 0 ? 0 : value > 255 ? 255 : Math.round(value))

/** YBR_FULL to RGB (PS3.3 C.7.6.3.1.2), samples interleaved. */
export function ybrToRgb(source: Uint8Array): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(source.length)
  for (let at = 0; at + 2 < source.length; at += 3) {
    writeRgb(out, at, [source[at] ?? 0, source[at + 1] ?? 0, source[at + 2] ?? 0])
  }
  return out
}

/** Uncompressed YBR_FULL_422: two luma samples share one pair of chroma samples (Y Y Cb Cr). */
export function ybr422ToRgb(source: Uint8Array, pixels: number): Uint8Array<ArrayBuffer> {
  if (source.length < pixels * 2) throw new Error('frame is cut')
  const out = new Uint8Array(pixels * 3)
  for (let pixel = 0, at = 0; pixel < pixels; pixel += 2, at += 4) {
    const blue = source[at + 2] ?? 128
    const red = source[at + 3] ?? 128
    writeRgb(out, pixel * 3, [source[at] ?? 0, blue, red])
    if (pixel + 1 < pixels) writeRgb(out, pixel * 3 + 3, [source[at + 1] ?? 0, blue, red])
  }
  return out
}

function writeRgb(out: Uint8Array, at: number, [y, cb, cr]: [number, number, number]): void {
  out[at] = clamp(y + 1.402 * (cr - 128))
  out[at + 1] = clamp(y - 0.344136 * (cb - 128) - 0.714136 * (cr - 128))
  out[at + 2] = clamp(y + 1.772 * (cb - 128))
}

/** Planar Configuration 1 (RRR…GGG…BBB…) to samples interleaved by pixel; any sample size. */
export function interleave(
  source: Uint8Array,
  { rows, columns, samples, bitsAllocated }: PixelFormat,
): Uint8Array<ArrayBuffer> {
  const bytes = Math.max(1, bitsAllocated >> 3)
  const plane = rows * columns * bytes
  const out = new Uint8Array(plane * samples)
  for (let sample = 0; sample < samples; sample++) {
    for (let pixel = 0; pixel < rows * columns; pixel++) {
      for (let byte = 0; byte < bytes; byte++) {
        out[(pixel * samples + sample) * bytes + byte] =
          source[sample * plane + pixel * bytes + byte] ?? 0
      }
    }
  }
  return out
}

/** The three tables of PALETTE COLOR, each already brought to 8 bits (PS3.3 C.7.6.3.1.5). */
export type Palette = { first: number; red: Uint8Array; green: Uint8Array; blue: Uint8Array }

/** Indexes beyond either end take the nearest entry, as the standard says. */
export function applyPalette(
  indexes: ArrayLike<number>,
  { first, red, green, blue }: Palette,
): Uint8Array<ArrayBuffer> {
  const last = red.length - 1
  const out = new Uint8Array(indexes.length * 3)
  for (let pixel = 0; pixel < indexes.length; pixel++) {
    const entry = Math.min(Math.max((indexes[pixel] ?? 0) - first, 0), last)
    out[pixel * 3] = red[entry] ?? 0
    out[pixel * 3 + 1] = green[entry] ?? 0
    out[pixel * 3 + 2] = blue[entry] ?? 0
  }
  return out
}

/** Samples wider than 8 bits, brought to 8 for the screen. */
export function narrow(samples: ArrayLike<number>, bitsStored: number): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(samples.length)
  const scale = 255 / (2 ** bitsStored - 1)
  for (let at = 0; at < samples.length; at++) out[at] = clamp((samples[at] ?? 0) * scale)
  return out
}
