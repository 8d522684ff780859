import {
  interleave,
  narrow,
  ybr422ToRgb,
  ybrToRgb,
  applyPalette,
  type Palette,
} from '#pixels/colour.ts'
import {
  maskStored,
  rangeOf,
  type Samples,
  samplesOf,
  swapBytes,
  unpackBits,
} from '#pixels/bits.ts'
import { shownFormat } from './pixel-format.ts'
import type { PixelFormat } from '#pixels/pixel-format.ts'
import { decodeRle } from '#pixels/rle.ts'
import { withColourMarker } from '#pixels/jpeg/colour-marker.ts'
import { decodeDct } from '#pixels/jpeg/dct-image.ts'
import { withRoomBeforeEnd } from '#pixels/jpeg/lossless-tail.ts'

/** One frame to decode, as it came over the wire. */
export type DecodeJob = {
  bytes: Uint8Array<ArrayBuffer>
  transferSyntax: string
  format: PixelFormat
  palette?: Palette | undefined
}

/** Samples ready for the stack's buffer, and their range for the automatic window. */
export type DecodedFrame = { samples: Samples; min: number; max: number }

/** A WebAssembly codec; the four of them share this shape. */
export type Decoder = {
  getEncodedBuffer(length: number): Uint8Array
  decode(): void
  decodeSubResolution?(level: number): void
  getFrameInfo(): {
    width: number
    height: number
    bitsPerSample: number
    componentCount: number
    isSigned?: boolean
  }
  getDecodedBuffer(): Uint8Array
  getInterleaveMode?(): number
  delete(): void
}

/** How codecs are loaded is the caller's affair: the worker bundles them, a test takes them from their packages. */
export type Codecs = {
  jpegLs(): Promise<Decoder>
  jpeg2000(): Promise<Decoder>
  htj2k(): Promise<Decoder>
  jpeg(): Promise<Decoder>
  jpegLossless(bytes: Uint8Array<ArrayBuffer>, bytesPerSample: number): Promise<Uint8Array>
}

export async function decodeFrame(job: DecodeJob, codecs: Codecs): Promise<DecodedFrame> {
  const { format } = job
  if (format.samples !== 1 && format.samples !== 3) throw new Error('unsupported samples per pixel')
  const decoded = await decodePixels(job, codecs)
  const samples = present(decoded, job)
  const wanted = format.rows * format.columns * shownFormat(format).samples
  if (samples.length < wanted) throw new Error('frame is cut')
  // Uncompressed frames may end with a padding byte (PS3.5 §8.2).
  const exact = samples.length === wanted ? samples : samples.slice(0, wanted)
  return { samples: exact, ...rangeOf(exact) }
}

/** Samples interleaved by pixel with the frame's own sample size; `isRgb` when colour needs no conversion. */
type Pixels = { bytes: Uint8Array<ArrayBuffer>; isRgb: boolean }

const family = '1.2.840.10008.1.2'

async function decodePixels(job: DecodeJob, codecs: Codecs): Promise<Pixels> {
  const { bytes, format, transferSyntax } = job
  const isRgb = format.photometric === 'RGB'
  switch (transferSyntax) {
    case family:
    case `${family}.1`:
    case `${family}.1.99`:
      return uncompressed(job)
    case `${family}.2`:
      if (format.bitsAllocated > 8) swapBytes(bytes, format.bitsAllocated >> 3)
      return uncompressed(job)
    case `${family}.5`:
      return { bytes: decodeRleFrame(bytes, format), isRgb }
    case `${family}.4.57`:
    case `${family}.4.70`: {
      const size = Math.max(1, format.bitsAllocated >> 3)
      const decoded = await codecs.jpegLossless(withRoomBeforeEnd(bytes), size)
      return { bytes: Uint8Array.from(decoded), isRgb }
    }
    case `${family}.4.80`:
    case `${family}.4.81`:
      return { bytes: runCodec(await codecs.jpegLs(), bytes, format), isRgb }
    case `${family}.4.90`:
    case `${family}.4.91`:
    case `${family}.4.92`:
    case `${family}.4.93`:
      return colourTransformed(runCodec(await codecs.jpeg2000(), bytes, format), format)
    case `${family}.4.201`:
    case `${family}.4.202`:
    case `${family}.4.203`:
      return colourTransformed(runCodec(await codecs.htj2k(), bytes, format), format)
    case `${family}.4.50`:
    case `${family}.4.51`:
    case `${family}.4.53`:
    case `${family}.4.55`:
      return lossyJpeg(job, codecs)
    default:
      throw new Error(`unsupported transfer syntax ${transferSyntax}`)
  }
}

/** Single bits are packed eight to a byte before they are run-length coded (PS3.5 §8.1.1). */
function decodeRleFrame(bytes: Uint8Array, format: PixelFormat): Uint8Array<ArrayBuffer> {
  if (format.bitsAllocated !== 1) return decodeRle(bytes, format)
  const pixels = format.rows * format.columns
  const packed = { ...format, rows: 1, columns: Math.ceil(pixels / 8), bitsAllocated: 8 }
  return unpackBits(decodeRle(bytes, packed), pixels)
}

function uncompressed({ bytes, format }: DecodeJob): Pixels {
  const pixels = format.rows * format.columns
  if (format.photometric === 'YBR_FULL_422') {
    return { bytes: ybr422ToRgb(bytes, pixels), isRgb: true }
  }
  if (format.bitsAllocated === 1) return { bytes: unpackBits(bytes, pixels), isRgb: false }
  const wanted = pixels * format.samples * (format.bitsAllocated >> 3)
  if (bytes.length < wanted) throw new Error('frame is cut')
  const isPlanar = format.samples === 3 && format.planar
  return {
    bytes: isPlanar ? interleave(bytes, format) : bytes.slice(0, wanted),
    isRgb: format.photometric === 'RGB',
  }
}

/** 8-bit JPEG through libjpeg, which hands colour back as RGB; 12-bit JPEG, which it cannot, through our own. */
async function lossyJpeg(job: DecodeJob, codecs: Codecs): Promise<Pixels> {
  const { format } = job
  if (format.bitsAllocated > 8) return { bytes: wideJpeg(job), isRgb: format.photometric === 'RGB' }
  const marked = format.photometric === 'RGB' ? withColourMarker(job.bytes) : job.bytes
  return { bytes: runCodec(await codecs.jpeg(), marked, format), isRgb: true }
}

function wideJpeg({ bytes, format }: DecodeJob): Uint8Array<ArrayBuffer> {
  const { width, height, components, samples } = decodeDct(bytes)
  if (width !== format.columns || height !== format.rows || components !== format.samples) {
    throw new Error('compressed frame does not fit the image')
  }
  return resized(new Uint8Array(samples.buffer), { bitsAllocated: 16, signed: false }, format)
}

/** The codestream's own colour transform (RCT, ICT) is undone by the codec. */
const colourTransformed = (bytes: Uint8Array<ArrayBuffer>, format: PixelFormat): Pixels => ({
  bytes,
  isRgb: !format.photometric.startsWith('YBR_FULL'),
})

/** Copies in and out of the codec's memory, and frees what it took there. */
function runCodec(
  decoder: Decoder,
  bytes: Uint8Array,
  format: PixelFormat,
): Uint8Array<ArrayBuffer> {
  try {
    decoder.getEncodedBuffer(bytes.length).set(bytes)
    if (decoder.decodeSubResolution === undefined) decoder.decode()
    else decoder.decodeSubResolution(0)
    const { width, height, bitsPerSample, componentCount, isSigned } = decoder.getFrameInfo()
    if (width !== format.columns || height !== format.rows || componentCount !== format.samples) {
      throw new Error('compressed frame does not fit the image')
    }
    // Codecs differ in the kind of array that they hand out a view of.
    const decoded = new Uint8Array(decoder.getDecodedBuffer())
    const isPlanar = componentCount === 3 && decoder.getInterleaveMode?.() === 0
    const bitsAllocated = bitsPerSample <= 8 ? 8 : 16
    const one = isPlanar ? interleave(decoded, { ...format, bitsAllocated }) : decoded
    return resized(one, { bitsAllocated, signed: isSigned === true }, format)
  } finally {
    decoder.delete()
  }
}

/** A codestream may hold its samples in fewer bytes than Bits Allocated says. */
function resized(
  bytes: Uint8Array<ArrayBuffer>,
  from: { bitsAllocated: number; signed: boolean },
  to: PixelFormat,
): Uint8Array<ArrayBuffer> {
  const size = Math.max(8, to.bitsAllocated)
  if (from.bitsAllocated === size) return bytes
  const samples = samplesOf(from, bytes.buffer)
  const wider = samplesOf({ bitsAllocated: size, signed: to.signed }, samples.length)
  wider.set(samples)
  return new Uint8Array(wider.buffer)
}

/** Grey stays as stored; colour of any kind becomes 8-bit RGB. */
function present({ bytes, isRgb }: Pixels, { format, palette }: DecodeJob): Samples {
  const bitsAllocated = Math.max(8, format.bitsAllocated)
  const samples = samplesOf({ bitsAllocated, signed: format.signed }, bytes.buffer)
  if (format.samples === 1) {
    maskStored(samples, format.bitsStored, format.signed)
    if (format.photometric !== 'PALETTE COLOR') return samples
    if (palette === undefined) throw new Error('the colour table is missing')
    return applyPalette(samples, palette)
  }
  const colour = bitsAllocated > 8 ? narrow(samples, format.bitsStored) : bytes
  const needsConversion = !isRgb && format.photometric.startsWith('YBR')
  return needsConversion ? ybrToRgb(colour) : colour
}
