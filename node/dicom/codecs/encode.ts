import type { Codecs } from './decode.ts'
import type { PixelFormat } from '#pixels/pixel-format.ts'
import { maskStored, samplesOf } from '#pixels/bits.ts'

/** What can be written as HTJ2K: whole bytes, grey or three colours. */
export const isEncodable = ({ bitsAllocated, samples }: PixelFormat): boolean =>
  (bitsAllocated === 8 || bitsAllocated === 16) && (samples === 1 || samples === 3)

/** RGB is transformed reversibly (PS3.5 §A.4.11). */
export const encodedPhotometric = ({ photometric }: PixelFormat): string =>
  photometric === 'RGB' ? 'YBR_RCT' : photometric

/** HTJ2K without loss, of pixels as `decodePixels` leaves them. */
export async function encodeHtj2k(
  bytes: Uint8Array<ArrayBuffer>,
  format: PixelFormat,
  codecs: Codecs,
): Promise<Uint8Array<ArrayBuffer>> {
  if (!isEncodable(format) || hasMoreThanStored(bytes, format)) {
    throw new Error('these samples cannot be encoded without loss')
  }
  const { rows, columns, samples, bitsStored, signed, photometric } = format
  const encoder = await codecs.htj2kEncoder()
  try {
    const room = encoder.getDecodedBuffer({
      width: columns,
      height: rows,
      bitsPerSample: bitsStored,
      componentCount: samples,
      isSigned: signed,
      isUsingColorTransform: photometric === 'RGB',
    })
    room.set(bytes.subarray(0, room.length))
    encoder.setQuality(true, 0)
    encoder.encode()
    return Uint8Array.from(encoder.getEncodedBuffer())
  } finally {
    encoder.delete()
  }
}

/** Old modalities keep overlays above Bits Stored (PS3.5 §8.1.1); the codestream has no room for them. */
function hasMoreThanStored(
  bytes: Uint8Array<ArrayBuffer>,
  { bitsAllocated, bitsStored, signed }: PixelFormat,
): boolean {
  const masked = samplesOf({ bitsAllocated, signed }, bytes.slice().buffer)
  maskStored(masked, bitsStored, signed)
  return Buffer.compare(Buffer.from(masked.buffer), bytes) !== 0
}
