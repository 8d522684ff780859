/** Uncompresses Snappy's raw format: LevelDB compresses its blocks with it. Throws a RangeError for anything else. */
export function uncompress(bytes: Buffer): Buffer {
  let at = 0
  const byte = (): number => {
    const value = bytes[at++]
    if (value === undefined) throw new RangeError('compressed data is cut off')
    return value
  }
  const little = (count: number): number => {
    let value = 0
    for (let i = 0; i < count; i++) value += byte() * 256 ** i
    return value
  }
  let length = 0
  for (let scale = 1; ; scale *= 128) {
    const next = byte()
    length += (next & 127) * scale
    if (next < 128) break
  }
  if (length > uncompressedMax) throw new RangeError('compressed data is too long')
  const out = Buffer.alloc(length)
  let filled = 0
  while (at < bytes.byteLength) {
    const tag = byte()
    if ((tag & 3) === 0) {
      const short = tag >>> 2
      const count = (short < 60 ? short : little(short - 59)) + 1
      if (at + count > bytes.byteLength || filled + count > length) throw tooLong()
      bytes.copy(out, filled, at, at + count)
      at += count
      filled += count
      continue
    }
    const isShort = (tag & 3) === 1
    const count = isShort ? ((tag >>> 2) & 7) + 4 : (tag >>> 2) + 1
    const back = isShort ? (tag >>> 5) * 256 + byte() : little((tag & 3) === 2 ? 2 : 4)
    if (back === 0 || back > filled || filled + count > length) throw tooLong()
    // Byte by byte: a copy may reach into what it writes.
    for (let i = 0; i < count; i++, filled++) out[filled] = out[filled - back] ?? 0
  }
  if (filled !== length) throw tooLong()
  return out
}

const uncompressedMax = 64 * 1024 * 1024
const tooLong = (): RangeError => new RangeError('compressed data does not fit')
