import { ProtocolError } from '#protocol/errors.ts'
import { pixelLimits } from '#protocol/limits.ts'
import type { StoredFrame } from '../codecs/decode.ts'
import type { PixelFormat } from '#pixels/pixel-format.ts'
import type { RandomAccess } from '../data-set.ts'
import type { Frames } from '../frames.ts'

/** An image whose frames are to be decoded. */
export type DecodableImage = {
  data: RandomAccess
  transferSyntax: string
  frames: Frames
  format: PixelFormat
}

/** One frame's bytes in memory of their own, which can be handed to a worker. */
export async function storedFrame(image: DecodableImage, number: number): Promise<StoredFrame> {
  const { data, transferSyntax, frames, format } = image
  const places = await frames.frame(number, data)
  const length = places.reduce((sum, place) => sum + place.length, 0)
  if (length > pixelLimits.frameBytes) {
    throw new ProtocolError('too_large', 'the frame is too large to be decoded')
  }
  const bytes = new Uint8Array(length)
  let at = 0
  for (const place of places) {
    bytes.set('bytes' in place ? place.bytes : await data.read(place.offset, place.length), at)
    at += place.length
  }
  return { bytes, transferSyntax, format }
}
