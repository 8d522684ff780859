import { inflateRawSync } from 'node:zlib'
import { codestreamSize } from './codestream.ts'
import {
  interleave,
  narrow,
  ybr422ToRgb,
  ybrToRgb,
  applyPalette,
  type Palette,
} from '#pixels/colour.ts'
import { withColourMarker } from '#pixels/jpeg/colour-marker.ts'
import { decodeDct } from '#pixels/jpeg/dct-image.ts'
import { withRoomBeforeEnd } from '#pixels/jpeg/lossless-tail.ts'
import { frameBytes } from './pixel-format.ts'
import type { PixelFormat } from '#pixels/pixel-format.ts'
import { decodeRle } from '#pixels/rle.ts'
import { maskStored, type Samples, samplesOf, swapBytes, unpackBits } from '#pixels/bits.ts'

/** One frame as it is stored. */
export type StoredFrame = {
  bytes: Uint8Array<ArrayBuffer>
  transferSyntax: string
  format: PixelFormat
}

/** A WebAssembly codec; the four of them have the same shape. */
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

export type Encoder = {
  getDecodedBuffer(info: {
    width: number
    height: number
    bitsPerSample: number
    componentCount: number
    isSigned: boolean
    isUsingColorTransform: boolean
  }): Uint8Array
  setQuality(lossless: boolean, quantizationStep: number): void
  encode(): void
  getEncodedBuffer(): Uint8Array
  delete(): void
}

export type Codecs = {
  jpegLs(): Promise<Decoder>
  jpeg2000(): Promise<Decoder>
  htj2k(): Promise<Decoder>
  jpeg(): Promise<Decoder>
  jpegLossless(bytes: Uint8Array<ArrayBuffer>, bytesPerSample: number): Uint8Array
  htj2kEncoder(): Promise<Encoder>
}

const family = '1.2.840.10008.1.2'
const kinds = {
  native: ['', '.1', '.1.99', '.2'],
  rle: ['.5'],
  lossless: ['.4.57', '.4.70'],
  jpegLs: ['.4.80', '.4.81'],
  jpeg2000: ['.4.90', '.4.91', '.4.92', '.4.93'],
  htj2k: ['.4.201', '.4.202', '.4.203'],
  jpeg: ['.4.50', '.4.51', '.4.53', '.4.55'],
  deflated: ['.8.1'],
} as const
type Kind = keyof typeof kinds
const kindOf = new Map<string, Kind>(
  (Object.keys(kinds) as Kind[]).flatMap((kind) =>
    kinds[kind].map((end): [string, Kind] => [`${family}${end}`, kind]),
  ),
)

export const isDecodable = (transferSyntax: string): boolean => kindOf.has(transferSyntax)

type Bytes = Uint8Array<ArrayBuffer>

/** How `decodePixels` leaves a frame: samples interleaved by pixel, colour that codecs transform as RGB. */
export function decodedFormat({ format, transferSyntax }: Omit<StoredFrame, 'bytes'>): PixelFormat {
  const { samples, bitsAllocated, photometric } = format
  const kind = kindOf.get(transferSyntax)
  const isRgb =
    samples === 3 &&
    // libjpeg hands colour back as RGB; a codestream's own transform (RCT, ICT) is undone by its codec.
    ((kind === 'jpeg' && bitsAllocated <= 8) ||
      ((kind === 'jpeg2000' || kind === 'htj2k') && !photometric.startsWith('YBR_FULL')) ||
      ((kind === 'native' || kind === 'deflated') && photometric === 'YBR_FULL_422'))
  return { ...format, planar: false, ...(isRgb && { photometric: 'RGB' }) }
}

/** Little-endian samples of the frame's own size. Throws what explains itself to a log; callers translate it. */
export async function decodePixels(frame: StoredFrame, codecs: Codecs): Promise<Bytes> {
  const { bytes, format, transferSyntax } = frame
  if (format.samples !== 1 && format.samples !== 3) throw new Error('unsupported samples per pixel')
  switch (kindOf.get(transferSyntax)) {
    case 'native':
      return uncompressed(frame)
    case 'deflated':
      return uncompressed({ ...frame, bytes: inflated(bytes, format) })
    case 'rle':
      return decodeRleFrame(bytes, format)
    case 'lossless':
      return losslessJpeg(frame, codecs)
    case 'jpegLs':
      return runCodec(await codecs.jpegLs(), frame)
    case 'jpeg2000':
      return runCodec(await codecs.jpeg2000(), frame)
    case 'htj2k':
      return runCodec(await codecs.htj2k(), frame)
    case 'jpeg':
      return lossyJpeg(frame, codecs)
    case undefined:
    default:
      throw new Error('unsupported transfer syntax')
  }
}

/** Deflated Image Frame Compression (PS3.5 §A.4.13). */
function inflated(bytes: Uint8Array, format: PixelFormat): Bytes {
  return Uint8Array.from(inflateRawSync(bytes, { maxOutputLength: frameBytes(format) + 1 }))
}

/** Single bits are packed eight to a byte before they are run-length coded (PS3.5 §8.1.1). */
function decodeRleFrame(bytes: Uint8Array, format: PixelFormat): Bytes {
  if (format.bitsAllocated !== 1) return decodeRle(bytes, format)
  const pixels = format.rows * format.columns
  const packed = { ...format, rows: 1, columns: Math.ceil(pixels / 8), bitsAllocated: 8 }
  return unpackBits(decodeRle(bytes, packed), pixels)
}

function uncompressed({ bytes: stored, format, transferSyntax }: StoredFrame): Bytes {
  const pixels = format.rows * format.columns
  const bytes = Uint8Array.from(stored)
  if (transferSyntax === `${family}.2` && format.bitsAllocated > 8) {
    swapBytes(bytes, format.bitsAllocated >> 3)
  }
  if (format.photometric === 'YBR_FULL_422') {
    return ybr422ToRgb(bytes, pixels)
  }
  if (format.bitsAllocated === 1) return unpackBits(bytes, pixels)
  const wanted = pixels * format.samples * (format.bitsAllocated >> 3)
  if (bytes.length < wanted) throw new Error('frame is cut')
  const isPlanar = format.samples === 3 && format.planar
  return isPlanar ? interleave(bytes, format) : bytes.slice(0, wanted)
}

function losslessJpeg({ bytes, format }: StoredFrame, codecs: Codecs): Bytes {
  checkSize(bytes, format)
  const size = Math.max(1, format.bitsAllocated >> 3)
  const decoded = Uint8Array.from(codecs.jpegLossless(withRoomBeforeEnd(bytes), size))
  if (decoded.length < frameBytes(format)) throw new Error('frame is cut')
  return decoded
}

/** 8-bit JPEG through libjpeg; 12-bit JPEG, which it cannot, through our own. */
async function lossyJpeg(frame: StoredFrame, codecs: Codecs): Promise<Bytes> {
  const { format, bytes } = frame
  if (format.bitsAllocated > 8) return wideJpeg(frame)
  const marked = format.photometric === 'RGB' ? withColourMarker(bytes) : bytes
  return runCodec(await codecs.jpeg(), { ...frame, bytes: marked })
}

function wideJpeg({ bytes, format }: StoredFrame): Bytes {
  checkSize(bytes, format)
  const { samples } = decodeDct(bytes)
  return resized(new Uint8Array(samples.buffer), { bitsAllocated: 16, signed: false }, format)
}

/** What is stated must be what the image says, before a codec takes memory for it. */
function checkSize(bytes: Uint8Array, { rows, columns, samples }: PixelFormat): void {
  const size = codestreamSize(bytes)
  const fits = size?.width === columns && size.height === rows && size.components === samples
  if (!fits) throw new Error('compressed frame does not fit the image')
}

/** Copies in and out of the codec's memory, and frees what it took there. */
function runCodec(decoder: Decoder, { bytes, format }: StoredFrame): Bytes {
  try {
    checkSize(bytes, format)
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
    const whole = resized(one, { bitsAllocated, signed: isSigned === true }, format)
    if (whole.length < frameBytes(format)) throw new Error('frame is cut')
    return whole
  } finally {
    decoder.delete()
  }
}

/** A codestream may hold its samples in fewer bytes than Bits Allocated says. */
function resized(
  bytes: Bytes,
  from: { bitsAllocated: number; signed: boolean },
  to: PixelFormat,
): Bytes {
  const size = Math.max(8, to.bitsAllocated)
  if (from.bitsAllocated === size) return bytes
  const samples = samplesOf(from, bytes.buffer)
  const wider = samplesOf({ bitsAllocated: size, signed: to.signed }, samples.length)
  wider.set(samples)
  return new Uint8Array(wider.buffer)
}

/** Decoded pixels ready to be shown: grey as stored, colour of any kind as 8-bit RGB. */
export function presented(
  bytes: Bytes,
  format: PixelFormat,
  palette: Palette | undefined,
): Samples {
  const bitsAllocated = Math.max(8, format.bitsAllocated)
  const samples = samplesOf({ bitsAllocated, signed: format.signed }, bytes.buffer)
  if (format.samples === 1) {
    maskStored(samples, format.bitsStored, format.signed)
    if (format.photometric !== 'PALETTE COLOR') return samples
    if (palette === undefined) throw new Error('the colour table is missing')
    return applyPalette(samples, palette)
  }
  const colour = bitsAllocated > 8 ? narrow(samples, format.bitsStored) : bytes
  return format.photometric.startsWith('YBR') ? ybrToRgb(colour) : colour
}
