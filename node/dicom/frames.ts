import { ProtocolError } from '#protocol/errors.ts'
import { instanceLimits } from '#protocol/limits.ts'
import { type Bytes, bulkValue } from './bulk.ts'
import type { RandomAccess } from './data-set.ts'
import type { DicomJson } from './dicom-json.ts'
import { createElementParser, type Element } from './element-parser.ts'
import { type FindFrame, fragmentFrames } from './fragments.ts'
import { parseStored } from './header-source.ts'
import { frameBits, framesOf, isPixelTag, isUnreasonable, pixelLayout } from './pixel-facts.ts'
import { encodingOf, isDeflated, isNative, isVideo } from './transfer-syntax.ts'

/** A stored image: its bytes, and what is known of them without reading. */
export type StoredImage = {
  data: RandomAccess
  transferSyntax: string
  headerBytes: number
  /** Index attributes, which describe the pixels. */
  attributes: DicomJson
}

/** Frames of one image, by number from 1 (PS3.18 §10.4.1.1.6); kept, it needs the image's bytes anew for each. */
export type Frames = {
  readonly count: number
  /** The parts to be joined. Throws `not_found` for a number that is not there, `instance_malformed` for a damaged one. */
  frame(number: number, data: RandomAccess): Promise<Bytes[]>
}

/** Finds the pixels of a stored image; `not_found` when there are none. */
export async function openFrames(image: StoredImage): Promise<Frames> {
  const { attributes, transferSyntax } = image
  const pixels = await findPixels(image)
  const count = isVideo(transferSyntax) ? 1 : framesOf(attributes)
  if (count > instanceLimits.framesMax) damaged('too many frames')
  const find = isNative(transferSyntax)
    ? await nativeFrames(image, pixels)
    : await fragmentFrames({
        ...image,
        start: pixels.valueOffset,
        count,
        offsets: offsetsOf(image),
      })
  return {
    count,
    async frame(number, data) {
      if (number < 1 || number > count) throw new ProtocolError('not_found', 'no such frame')
      return find(number - 1, data)
    },
  }
}

/** The Pixel Data element as written; in a deflated data set by its place in the inflated one. */
async function findPixels({ data, transferSyntax, headerBytes }: StoredImage): Promise<Element> {
  let found: Element | undefined
  const meet = (element: Element) => {
    if (element.depth > 0 || !isPixelTag(element.tag)) return 'skip' as const
    found = element
    return 'stop' as const
  }
  const events = {
    element: meet,
    value: () => undefined,
    fragmentsBegin: (element: Element) =>
      meet(element) === 'stop' ? ('stop' as const) : undefined,
  }
  if (isDeflated(transferSyntax)) {
    await parseStored(data, transferSyntax, events)
  } else if (headerBytes < data.bytes) {
    const head = await data.read(headerBytes, Math.min(12, data.bytes - headerBytes))
    createElementParser(encodingOf(transferSyntax), events).write(head)
    if (found !== undefined) {
      found = { ...found, valueOffset: found.valueOffset + headerBytes }
    }
  }
  if (found === undefined) throw new ProtocolError('not_found', 'the instance has no pixels')
  return found
}

/** Plain pixels lie one frame behind the other, without a gap (PS3.5 §8.1.1). */
async function nativeFrames(image: StoredImage, pixels: Element): Promise<FindFrame> {
  const layout = pixelLayout(image.attributes)
  if (layout === undefined || isUnreasonable(layout)) return damaged('the pixels are not described')
  const bits = frameBits(layout)
  return async (index, data) => {
    const first = bits * index
    const length = Math.ceil(bits / 8)
    const start = Math.floor(first / 8)
    const bytes = Math.ceil((first + bits) / 8) - start
    if (start + bytes > pixels.length) damaged('the pixels end before the frame')
    const offset = pixels.valueOffset + start
    const isDirect = !isDeflated(image.transferSyntax) && first % 8 === 0
    if (isDirect) return [{ length, offset }]
    const raw = await readBytes({ ...image, data }, pixels, { offset, length: bytes })
    // Frames of single bits follow each other without filling bytes up (PS3.5 §8.1.1).
    return [{ length, bytes: shifted(raw, first % 8, length) }]
  }
}

async function readBytes(
  { data, transferSyntax }: StoredImage,
  pixels: Element,
  range: { offset: number; length: number },
): Promise<Uint8Array> {
  if (!isDeflated(transferSyntax)) return data.read(range.offset, range.length)
  const whole = await bulkValue(data, transferSyntax, pixels.tag.toString(16).toUpperCase())
  if (!('bytes' in whole)) return damaged('the pixels cannot be inflated')
  const start = range.offset - pixels.valueOffset
  return whole.bytes.subarray(start, start + range.length)
}

function shifted(bytes: Uint8Array, shift: number, length: number): Uint8Array {
  if (shift === 0) return bytes
  const result = new Uint8Array(length)
  for (let at = 0; at < length; at++) {
    result[at] = ((bytes[at] ?? 0) >> shift) | ((bytes[at + 1] ?? 0) << (8 - shift))
  }
  return result
}

/** The extended offset table, when the image has one (PS3.3 §C.7.6.3.1.8). */
function offsetsOf({ data, transferSyntax, headerBytes }: StoredImage) {
  return async (): Promise<{ offsets: number[]; lengths: number[] } | undefined> => {
    const head = { bytes: headerBytes, read: data.read.bind(data) }
    const read = async (tag: string) => {
      const value = await bulkValue(head, transferSyntax, tag)
      const bytes = 'bytes' in value ? value.bytes : await data.read(value.offset, value.length)
      return numbers64(bytes)
    }
    try {
      return { offsets: await read('7FE00001'), lengths: await read('7FE00002') }
    } catch {
      return undefined
    }
  }
}

function numbers64(bytes: Uint8Array): number[] {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return Array.from({ length: view.length >> 3 }, (_, at) => Number(view.readBigUInt64LE(at * 8)))
}

function damaged(why: string): never {
  throw new ProtocolError('instance_malformed', why)
}
