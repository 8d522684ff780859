/**
 * A JPEG of three components without an Adobe or JFIF marker is taken for YCbCr. Where DICOM says RGB, the marker that
 * forbids the conversion (Adobe APP14, transform 0) is put in.
 */
const adobeRgb = [0xff, 0xee, 0, 14, 0x41, 0x64, 0x6f, 0x62, 0x65, 0, 100, 0, 0, 0, 0, 0] as const

export function withColourMarker(jpeg: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  if (hasColourMarker(jpeg)) return jpeg
  const out = new Uint8Array(jpeg.length + adobeRgb.length)
  out.set(jpeg.subarray(0, 2))
  out.set(adobeRgb, 2)
  out.set(jpeg.subarray(2), 2 + adobeRgb.length)
  return out
}

/** APP0 (JFIF) or APP14 (Adobe) before the image starts. */
function hasColourMarker(jpeg: Uint8Array): boolean {
  for (let at = 2; at + 4 <= jpeg.length;) {
    if (jpeg[at] !== 0xff) return false
    const marker = jpeg[at + 1] ?? 0
    if (marker === 0xe0 || marker === 0xee) return true
    if (marker === 0xda) return false
    at += 2 + (((jpeg[at + 2] ?? 0) << 8) | (jpeg[at + 3] ?? 0))
  }
  return false
}
