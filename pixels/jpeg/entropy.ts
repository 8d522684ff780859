/** Entropy-coded segments of JPEG (ITU-T T.81): bits with stuffed bytes taken out, and Huffman codes over them. */
export type BitReader = {
  /** The next bit. */
  bit: () => number
  /** An unsigned number of so many bits. */
  bits: (count: number) => number
  /** A value of so many bits in the signed form of T.81 F.2.2.1 (EXTEND). */
  value: (count: number) => number
  /** Steps over a restart marker. */
  restart: () => void
  /** Where the next marker begins. */
  end: () => number
}

export function createBitReader(bytes: Uint8Array, start: number): BitReader {
  let at = start
  let current = 0
  let left = 0
  const bit = () => {
    if (left === 0) {
      current = bytes[at] ?? 0xff
      // A marker, or the end of the bytes, where data should be: half an image must not pass as a whole one.
      if (current === 0xff && bytes[at + 1] !== 0) throw new Error('frame is cut')
      at += current === 0xff ? 2 : 1
      left = 8
    }
    left -= 1
    return (current >> left) & 1
  }
  const bits = (count: number) => {
    let value = 0
    for (let index = 0; index < count; index++) value = (value << 1) | bit()
    return value
  }
  return {
    bit,
    bits,
    value(count) {
      if (count === 0) return 0
      const value = bits(count)
      return value < 2 ** (count - 1) ? value - 2 ** count + 1 : value
    },
    restart() {
      left = 0
      while (at < bytes.length && !(bytes[at] === 0xff && isRestart(bytes[at + 1]))) at += 1
      at += 2
    },
    end: () => at,
  }
}

const isRestart = (code: number | undefined) => code !== undefined && code >= 0xd0 && code <= 0xd7

/** A Huffman table as T.81 F.2.2.3 decodes it: the greatest code and the first value of each length. */
export type HuffmanTable = { greatest: Int32Array; offset: Int32Array; values: Uint8Array }

export function huffmanTable(counts: Uint8Array, values: Uint8Array): HuffmanTable {
  const greatest = new Int32Array(17).fill(-1)
  const offset = new Int32Array(17)
  let code = 0
  let first = 0
  for (let length = 1; length <= 16; length++) {
    const count = counts[length - 1] ?? 0
    offset[length] = first - code
    code += count
    first += count
    if (count > 0) greatest[length] = code - 1
    code *= 2
  }
  return { greatest, offset, values }
}

export function huffmanValue(
  { greatest, offset, values }: HuffmanTable,
  reader: BitReader,
): number {
  let code = 0
  for (let length = 1; length <= 16; length++) {
    code = (code << 1) | reader.bit()
    if (code <= (greatest[length] ?? -1)) return values[code + (offset[length] ?? 0)] ?? 0
  }
  throw new Error('compressed frame is damaged')
}
