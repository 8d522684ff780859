import { ProtocolError } from '#protocol/errors.ts'
import { instanceLimits, pixelLimits } from '#protocol/limits.ts'
import { decodedFormat, isDecodable } from '../codecs/decode.ts'
import { encodedPhotometric, isEncodable } from '../codecs/encode.ts'
import { frameBytes, pixelFormat } from '../codecs/pixel-format.ts'
import type { PixelFormat } from '#pixels/pixel-format.ts'
import type { RandomAccess } from '../data-set.ts'
import type { DicomJson } from '../dicom-json.ts'
import { type Frames, openFrames } from '../frames.ts'
import { framesOf } from '../pixel-facts.ts'
import type { PixelPool } from '../pixel-workers/pool.ts'
import { storedFrame } from '../pixel-workers/stored-frame.ts'
import { encodingOf, isDeflated, isNative, transferSyntaxes } from '../transfer-syntax.ts'
import {
  bytesPiece,
  elementHeader,
  explicitElements,
  itemHeader,
  type Piece,
  splicedHeader,
  swapped,
} from './explicit-elements.ts'
import { inflatedPiece } from './inflated.ts'

/** A stored instance, as the archive's entries describe it. */
export type StoredInstance = {
  transferSyntax: string
  headerBytes: number
  attributes: DicomJson
  damaged?: true
}

/** A data set in another transfer syntax; made while it is read, as often as it is read. */
export type Transcoded = {
  transferSyntax: string
  bytes: number
  read(): AsyncIterable<Uint8Array>
}

export const htj2kLossless = '1.2.840.10008.1.2.4.201'
const { explicitLittleEndian } = transferSyntaxes

/** Whether `transcode` can be asked for: to Explicit VR Little Endian, or to HTJ2K without loss. */
export function canTranscode(instance: StoredInstance, target: string): boolean {
  const { transferSyntax, attributes, damaged } = instance
  if (target === transferSyntax) return true
  if (target === explicitLittleEndian && isNative(transferSyntax)) return true
  const format = pixelFormat(attributes)
  if (format === undefined || damaged === true || !isDecodable(transferSyntax)) return false
  if (target === htj2kLossless) return isEncodable(format)
  const pixels = format.rows * format.columns
  const fitsBytes = format.bitsAllocated % 8 === 0 || pixels % 8 === 0
  return (
    target === explicitLittleEndian && fitsBytes && (format.samples === 1 || format.samples === 3)
  )
}

/**
 * Writes a stored instance in another transfer syntax. What is stored stays as it is. Pixels are decoded frame by
 * frame while the result is read, so that it is never whole in memory; a compressed result is, up to a limit, as its
 * length is not known before. Throws `not_acceptable` when it cannot be done.
 */
export async function transcode(
  instance: StoredInstance & { data: RandomAccess },
  target: string,
  pool: PixelPool,
): Promise<Transcoded> {
  const { transferSyntax, data } = instance
  if (!canTranscode(instance, target)) throw notPossible()
  if (target === transferSyntax) return written(target, data, [whole(data)])
  if (target === explicitLittleEndian && isDeflated(transferSyntax)) {
    const inflated = await inflatedPiece(data)
    return { transferSyntax: target, ...inflated }
  }
  const pixels = await pixelsOf(instance)
  if (target === explicitLittleEndian && (pixels === undefined || isNative(transferSyntax))) {
    const swapPixels = Math.max(2, (pixelFormat(instance.attributes)?.bitsAllocated ?? 16) >> 3)
    const isExplicit = encodingOf(transferSyntax) === encodingOf(explicitLittleEndian)
    const pieces = isExplicit
      ? [whole(data)]
      : await explicitElements(
          { ...instance, replace: new Map() },
          { withPixels: true, swapPixels },
        )
    return written(target, data, pieces)
  }
  if (pixels === undefined) throw notPossible()
  return target === htj2kLossless
    ? compressed(instance, pixels, pool)
    : uncompressed(instance, pixels, pool)
}

/** One frame in another transfer syntax. */
export async function transcodeFrame(
  image: { data: RandomAccess; transferSyntax: string; attributes: DicomJson; frames: Frames },
  { number, target, pool }: { number: number; target: string; pool: PixelPool },
): Promise<Uint8Array> {
  const format = pixelFormat(image.attributes)
  if (format === undefined) throw notPossible()
  const kind = target === htj2kLossless ? 'htj2k' : 'native'
  const frame = await storedFrame({ ...image, format }, number)
  const { bytes } = await pool.run({ kind, frame })
  return kind === 'native' && format.bitsAllocated === 1 ? packed(bytes) : bytes
}

type Pixels = { frames: Frames; format: PixelFormat }
type Image = StoredInstance & { data: RandomAccess }

async function pixelsOf(instance: Image): Promise<Pixels | undefined> {
  const { transferSyntax, headerBytes, data } = instance
  const format = pixelFormat(instance.attributes)
  const mayHave = headerBytes < data.bytes || isDeflated(transferSyntax)
  return format && mayHave ? { format, frames: await openFrames(instance) } : undefined
}

/** Native pixels: a known length, so that nothing is decoded before it is wanted. */
async function uncompressed(image: Image, pixels: Pixels, pool: PixelPool): Promise<Transcoded> {
  const { data } = image
  const decoded = decodedFormat({ ...image, format: pixels.format })
  const count = framesOf(image.attributes)
  const one = decoded.bitsAllocated === 1 ? frameBytes(decoded) / 8 : frameBytes(decoded)
  const length = one * count
  if (length + (length % 2) >= instanceLimits.instanceBytes) throw notPossible()
  const header = await headerOf(image, decoded)
  const vr = decoded.bitsAllocated > 8 ? 'OW' : 'OB'
  header.push(bytesPiece(elementHeader(0x7fe00010, vr, length + (length % 2))))
  const before = written(explicitLittleEndian, data, header)
  return {
    transferSyntax: explicitLittleEndian,
    bytes: before.bytes + length + (length % 2),
    async *read() {
      yield* before.read()
      for (let number = 1; number <= count; number++) {
        const wish = { number, target: explicitLittleEndian, pool }
        yield await transcodeFrame({ ...image, ...pixels }, wish)
      }
      if (length % 2 === 1) yield Buffer.alloc(1)
    },
  }
}

/** One fragment per frame, and an empty offset table (PS3.5 §A.4). */
async function compressed(image: Image, pixels: Pixels, pool: PixelPool): Promise<Transcoded> {
  const decoded = decodedFormat({ ...image, format: pixels.format })
  const pieces = await headerOf(image, { ...decoded, photometric: encodedPhotometric(decoded) })
  pieces.push(bytesPiece(elementHeader(0x7fe00010, 'OB', 0xffff_ffff)))
  pieces.push(bytesPiece(itemHeader(0xe000, 0)))
  let bytes = 0
  for (let number = 1; number <= pixels.frames.count; number++) {
    const wish = { number, target: htj2kLossless, pool }
    const frame = await transcodeFrame({ ...image, ...pixels }, wish)
    const padding = Buffer.alloc(frame.length % 2)
    bytes += frame.length
    if (bytes > pixelLimits.compressedBytes) throw notPossible()
    pieces.push(bytesPiece(itemHeader(0xe000, frame.length + padding.length)))
    pieces.push(bytesPiece(frame), bytesPiece(padding))
  }
  pieces.push(bytesPiece(itemHeader(0xe0dd, 0)))
  return written(htj2kLossless, image.data, pieces)
}

/** The header with what decoding changes, and without tables of places that are no longer right. */
async function headerOf(image: Image, format: PixelFormat): Promise<Piece[]> {
  const planar = Buffer.alloc(2)
  const replace = new Map<number, Buffer | undefined>([
    [0x00280004, text(format.photometric)],
    [0x7fe00001, undefined],
    [0x7fe00002, undefined],
    ...(format.samples > 1 ? [[0x00280006, planar] as const] : []),
  ])
  const source = { ...image, replace }
  const isExplicit = encodingOf(image.transferSyntax) === encodingOf(explicitLittleEndian)
  return isExplicit && !isDeflated(image.transferSyntax)
    ? splicedHeader(source, image.headerBytes)
    : explicitElements(source, { withPixels: false, swapPixels: 1 })
}

const text = (value: string) => Buffer.from(value.length % 2 === 0 ? value : `${value} `)

const whole = (data: RandomAccess): Piece => ({ length: data.bytes, offset: 0, swap: 1 })

function written(transferSyntax: string, data: RandomAccess, pieces: readonly Piece[]): Transcoded {
  return {
    transferSyntax,
    bytes: pieces.reduce((sum, { length }) => sum + length, 0),
    async *read() {
      for (const piece of pieces) {
        if ('bytes' in piece) {
          if (piece.length > 0) yield piece.bytes
          continue
        }
        const { readBytes } = instanceLimits
        for (let at = 0; at < piece.length; at += readBytes) {
          const length = Math.min(readBytes, piece.length - at)
          yield swapped(await data.read(piece.offset + at, length), piece.swap)
        }
      }
    },
  }
}

/** Eight pixels a byte, the first in the least significant bit (PS3.5 §8.1.1). */
function packed(pixels: Uint8Array): Uint8Array {
  const out = new Uint8Array(Math.ceil(pixels.length / 8))
  for (let at = 0; at < pixels.length; at++) {
    if ((pixels[at] ?? 0) !== 0) out[at >> 3] = (out[at >> 3] ?? 0) | (1 << (at & 7))
  }
  return out
}

const notPossible = () =>
  new ProtocolError('not_acceptable', 'the instance cannot be had in this transfer syntax')
