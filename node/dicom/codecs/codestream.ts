/** Size that a compressed image states of itself. */
export type CodestreamSize = { width: number; height: number; components: number }

/**
 * Reads the size without decoding: JPEG and JPEG-LS from the start of frame (ITU-T T.81 §B.2.2), JPEG 2000 and HTJ2K
 * from the SIZ segment (T.800 §A.5.1). A codec takes memory for what the codestream says, so nobody runs it before
 * this has been compared with what the image says.
 */
export function codestreamSize(bytes: Uint8Array): CodestreamSize | undefined {
  if (word(bytes, 0) === 0xffd8) return jpegSize(bytes)
  const start = word(bytes, 0) === 0xff4f ? 0 : codestreamStart(bytes)
  return start === undefined ? undefined : sizSize(bytes, start)
}

const word = (bytes: Uint8Array, at: number) => ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
const long = (bytes: Uint8Array, at: number) => word(bytes, at) * 65_536 + word(bytes, at + 2)

function jpegSize(bytes: Uint8Array): CodestreamSize | undefined {
  for (let at = 2; at + 10 <= bytes.length;) {
    if (bytes[at] !== 0xff) return undefined
    const marker = bytes[at + 1] ?? 0
    if (marker === 0xff) {
      at += 1
      continue
    }
    const isFrame = (marker >= 0xc0 && marker <= 0xcf && !notFrames.has(marker)) || marker === 0xf7
    if (isFrame) {
      return {
        height: word(bytes, at + 5),
        width: word(bytes, at + 7),
        components: bytes[at + 9] ?? 0,
      }
    }
    at += 2 + word(bytes, at + 2)
  }
  return undefined
}

/** Huffman tables, a reserved code and arithmetic conditioning lie among the frame markers. */
const notFrames = new Set([0xc4, 0xc8, 0xcc])

/** Some writers put the whole file format around the codestream (T.800 Annex I). */
function codestreamStart(bytes: Uint8Array): number | undefined {
  if (long(bytes, 4) !== 0x6a502020) return undefined
  const start = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).indexOf('ff4fff51', 'hex')
  return start < 0 ? undefined : start
}

function sizSize(bytes: Uint8Array, start: number): CodestreamSize | undefined {
  if (word(bytes, start + 2) !== 0xff51) return undefined
  return {
    width: long(bytes, start + 8) - long(bytes, start + 16),
    height: long(bytes, start + 12) - long(bytes, start + 20),
    components: word(bytes, start + 40),
  }
}
