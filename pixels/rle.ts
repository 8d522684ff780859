import type { PixelFormat } from './pixel-format.ts'

/**
 * RLE Lossless (PS3.5 Annex G) to samples interleaved by pixel, little endian. A segment holds one byte plane, most
 * significant first. A run that would write beyond its plane is cut: the frame's size is known, and a hostile length
 * must not grow it.
 */
export function decodeRle(source: Uint8Array, format: PixelFormat): Uint8Array<ArrayBuffer> {
  const bytesPerSample = Math.max(1, format.bitsAllocated >> 3)
  const pixels = format.rows * format.columns
  const segments = bytesPerSample * format.samples
  const header = new DataView(source.buffer, source.byteOffset, source.byteLength)
  if (source.length < 64) throw new Error('RLE header is cut')
  if (header.getUint32(0, true) !== segments) throw new Error('RLE segments do not fit the image')
  const out = new Uint8Array(pixels * segments)
  for (let segment = 0; segment < segments; segment++) {
    const start = header.getUint32(4 + segment * 4, true)
    const next = segment + 1 < segments ? header.getUint32(8 + segment * 4, true) : source.length
    const sample = Math.floor(segment / bytesPerSample)
    const byte = bytesPerSample - 1 - (segment % bytesPerSample)
    const plane = { out, first: sample * bytesPerSample + byte, step: segments, pixels }
    unpackSegment(source.subarray(start, Math.min(next, source.length)), plane)
  }
  return out
}

type Plane = { out: Uint8Array; first: number; step: number; pixels: number }

/** PackBits; a segment that ends early leaves an image that nobody may read, so it is an error. */
function unpackSegment(segment: Uint8Array, { out, first, step, pixels }: Plane): void {
  let at = 0
  let written = 0
  while (written < pixels) {
    const control = segment[at++]
    if (control === undefined) throw new Error('RLE segment is cut')
    if (control === 128) continue
    const isRun = control > 128
    const count = Math.min(isRun ? 257 - control : control + 1, pixels - written)
    if (at + (isRun ? 1 : count) > segment.length) throw new Error('RLE segment is cut')
    for (let index = 0; index < count; index++) {
      out[first + step * written++] = segment[isRun ? at : at + index] ?? 0
    }
    at += isRun ? 1 : control + 1
  }
}
