/**
 * The lossless decoder gives up a pixel when it meets the end marker while it looks ahead, and the last pixel of an
 * image would be missing. Zeros before the marker let it finish; it has every pixel by then and reads no further.
 */
const padding = 16

export function withRoomBeforeEnd(jpeg: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const end = endMarker(jpeg)
  const out = new Uint8Array(jpeg.length + padding)
  out.set(jpeg.subarray(0, end))
  out.set(jpeg.subarray(end), end + padding)
  return out
}

/** The last end-of-image marker; a frame may have a fill byte after it. */
function endMarker(jpeg: Uint8Array): number {
  for (let at = jpeg.length - 2; at >= 2; at--) {
    if (jpeg[at] === 0xff && jpeg[at + 1] === 0xd9) return at
  }
  throw new Error('frame is cut')
}
