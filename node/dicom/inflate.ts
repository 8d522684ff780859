import { ProtocolError } from '#protocol/errors.ts'
import { instanceLimits } from '#protocol/limits.ts'

/**
 * Raw DEFLATE (RFC 1951), fed in pieces and decoded at once, in constant memory. `node:zlib` decodes either whole
 * buffers or in another thread; a walk must be neither as large as the data set nor later than its bytes. What comes
 * out is limited in proportion to what went in.
 */
export type Inflater = {
  /** Decodes as far as the bytes reach; `instance_malformed` for what is no DEFLATE, `instance_too_complex` for a bomb. */
  write(chunk: Uint8Array): void
  /** Throws `instance_truncated` unless the last block has ended. */
  end(): void
}

const windowBytes = 32 * 1024
const bufferBytes = 4 * windowBytes
const longestMatch = 258
/** Bits of the longest length and distance code with their extra bits, and of a whole block header. */
const symbolBits = 48
const blockHeaderBits = 3 + 14 + 19 * 3 + 320 * 14
const fastBits = 9
const trailerBytesMax = 9

const lengthBase = [
  3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131,
  163, 195, 227, 258,
]
const lengthExtra = [
  0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
]
const distanceBase = [
  1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049,
  3073, 4097, 6145, 8193, 12289, 16385, 24577,
]
const distanceExtra = [
  0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13,
]
const codeOrder = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]

/** A canonical Huffman code: a table for short codes, counts for the rest. */
type Code = { counts: Uint16Array; symbols: Uint16Array; fast: Uint16Array }

const fixedLengths = codeOf([
  ...Array<number>(144).fill(8),
  ...Array<number>(112).fill(9),
  ...Array<number>(24).fill(7),
  ...Array<number>(8).fill(8),
])
const fixedDistances = codeOf(Array<number>(30).fill(5))

type Inflation = {
  bits: BitReader
  out: Window
  step: 'block' | 'stored' | 'codes' | 'done'
  isLast: boolean
  /** Bytes still to come of a stored block. */
  stored: number
  lengths: Code
  distances: Code
  /** What follows the last block. */
  trailer: number[]
}

export function createInflater(output: (bytes: Uint8Array) => void): Inflater {
  const bits = createBitReader()
  const inflation: Inflation = {
    bits,
    out: createWindow(output, bits.fed),
    step: 'block',
    isLast: false,
    stored: 0,
    lengths: fixedLengths,
    distances: fixedDistances,
    trailer: [],
  }
  return {
    write(chunk) {
      bits.feed(chunk)
      run(inflation, false)
      if (inflation.step === 'done') takeTrailer(inflation)
    },
    end() {
      run(inflation, true)
      if (inflation.step !== 'done') truncated()
      takeTrailer(inflation)
      checkTrailer(inflation)
    },
  }
}

/** Decodes while a whole symbol or block header is sure to be there; at the end, until the input is used up. */
function run(inflation: Inflation, isEnd: boolean): void {
  const { bits, out } = inflation
  for (;;) {
    const { step } = inflation
    if (step === 'done') break
    if (step === 'stored' && inflation.stored > 0 && bits.available() < 8) break
    if (step === 'block' && bits.available() < blockHeaderBits && !isEnd) break
    if (step === 'codes' && bits.available() < symbolBits && !isEnd) break
    if (step === 'block') beginBlock(inflation)
    else if (step === 'stored') copyStored(inflation)
    else decodeSymbol(inflation)
  }
  out.flush()
  if (isEnd && inflation.step !== 'done') truncated()
}

function beginBlock(inflation: Inflation): void {
  const { bits } = inflation
  inflation.isLast = bits.take(1) === 1
  const kind = bits.take(2)
  if (kind === 3) malformed('an unknown kind of block')
  if (kind === 0) {
    bits.align()
    inflation.stored = bits.take(16)
    if ((bits.take(16) ^ 0xffff) !== inflation.stored) malformed('a stored block of two lengths')
    inflation.step = 'stored'
    return
  }
  const codes = kind === 1 ? ([fixedLengths, fixedDistances] as const) : readCodes(bits)
  inflation.lengths = codes[0]
  inflation.distances = codes[1]
  inflation.step = 'codes'
}

function endBlock(inflation: Inflation): void {
  inflation.step = inflation.isLast ? 'done' : 'block'
}

function copyStored(inflation: Inflation): void {
  const part = inflation.bits.bytes(inflation.stored)
  inflation.stored -= part.length
  inflation.out.append(part)
  if (inflation.stored === 0) endBlock(inflation)
}

function decodeSymbol(inflation: Inflation): void {
  const { bits, out, lengths, distances } = inflation
  const symbol = decode(bits, lengths)
  if (symbol < 256) return out.literal(symbol)
  if (symbol === 256) return endBlock(inflation)
  const length =
    (lengthBase[symbol - 257] ?? malformed('a length code out of range')) +
    bits.take(lengthExtra[symbol - 257] ?? 0)
  const code = decode(bits, distances)
  const distance =
    (distanceBase[code] ?? malformed('a distance code out of range')) +
    bits.take(distanceExtra[code] ?? 0)
  out.match(length, distance)
}

function takeTrailer({ bits, trailer }: Inflation): void {
  trailer.push(...bits.drop(trailerBytesMax + 1))
  if (trailer.length > trailerBytesMax) malformed('bytes after the end of the deflated data set')
}

/**
 * One byte may follow to make the length even (PS3.5 §A.5); some writers also leave the trailer of gzip there, which is
 * a checksum and the length (RFC 1952 §2.3.1).
 */
function checkTrailer({ trailer, out }: Inflation): void {
  if (trailer.length < 2) return
  const length = trailer.length < 8 ? undefined : Buffer.from(trailer).readUInt32LE(4)
  if (length !== out.total() % 2 ** 32) malformed('bytes after the end of the deflated data set')
}

type BitReader = ReturnType<typeof createBitReader>

function createBitReader() {
  let data = new Uint8Array(0)
  let at = 0
  let hold = 0
  let held = 0
  let fed = 0
  const fill = (count: number) => {
    while (held < count) {
      if (at >= data.length) truncated()
      hold |= (data[at++] ?? 0) << held
      held += 8
    }
  }
  return {
    feed(chunk: Uint8Array) {
      const rest = data.subarray(at)
      fed += chunk.length
      // A copy: the caller may use its buffer again.
      data = Buffer.concat([rest, chunk])
      at = 0
    },
    fed: () => fed,
    available: () => (data.length - at) * 8 + held,
    /** At most sixteen bits, the first one lowest. */
    take(count: number): number {
      fill(count)
      const value = hold & ((1 << count) - 1)
      hold >>>= count
      held -= count
      return value
    },
    /** The next bits without taking them; zeros where the input has none. */
    peek(count: number): number {
      while (held < count && at < data.length) {
        hold |= (data[at++] ?? 0) << held
        held += 8
      }
      return hold & ((1 << count) - 1)
    },
    align() {
      const rest = held & 7
      hold >>>= rest
      held -= rest
    },
    /** Whole bytes after `align`, as many as there are. */
    bytes(count: number): Uint8Array {
      if (held >= 8 && count > 0) {
        const one = Uint8Array.of(hold & 0xff)
        hold >>>= 8
        held -= 8
        return one
      }
      const part = data.subarray(at, at + count)
      at += part.length
      return part
    },
    /** Takes what is left, as whole bytes: `max` of them, and forgets the rest. */
    drop(max: number): number[] {
      const rest: number[] = []
      for (; held >= 8; held -= 8, hold >>>= 8) rest.push(hold & 0xff)
      rest.push(...data.subarray(at, at + max))
      hold = held = 0
      at = data.length
      return rest
    },
  }
}

type Window = ReturnType<typeof createWindow>

function createWindow(output: (bytes: Uint8Array) => void, fed: () => number) {
  const buffer = new Uint8Array(bufferBytes)
  let end = 0
  let flushed = 0
  let total = 0
  function flush(): void {
    if (end === flushed) return
    total += end - flushed
    const { inflatedBytesFree, inflationMax, instanceBytes } = instanceLimits
    const allowed = Math.max(inflatedBytesFree, inflationMax * fed())
    if (total > Math.min(allowed, instanceBytes)) {
      throw new ProtocolError('instance_too_complex', 'the deflated data set grows beyond measure')
    }
    const part = buffer.subarray(flushed, end)
    flushed = end
    output(part)
  }
  function makeRoom(): void {
    if (end + longestMatch <= bufferBytes) return
    flush()
    buffer.copyWithin(0, end - windowBytes, end)
    end = flushed = windowBytes
  }
  return {
    flush,
    total: () => total,
    literal(byte: number) {
      makeRoom()
      buffer[end++] = byte
    },
    match(length: number, distance: number) {
      makeRoom()
      if (distance > end) malformed('a distance before the beginning')
      const stop = end + length
      const begin = end - distance
      // What repeats itself is copied with what was copied already.
      while (end < stop) {
        const part = Math.min(end - begin, stop - end)
        buffer.copyWithin(end, begin, begin + part)
        end += part
      }
    },
    append(bytes: Uint8Array) {
      for (let at = 0; at < bytes.length; at += longestMatch) {
        makeRoom()
        const part = bytes.subarray(at, at + longestMatch)
        buffer.set(part, end)
        end += part.length
      }
    },
  }
}

function readCodes(bits: BitReader): [Code, Code] {
  const literals = bits.take(5) + 257
  const distances = bits.take(5) + 1
  const orders = bits.take(4) + 4
  if (literals > 286 || distances > 30) malformed('too many codes')
  const orderLengths = Array<number>(19).fill(0)
  for (const symbol of codeOrder.slice(0, orders)) orderLengths[symbol] = bits.take(3)
  const order = codeOf(orderLengths)
  const lengths: number[] = []
  while (lengths.length < literals + distances) {
    const symbol = decode(bits, order)
    if (symbol < 16) lengths.push(symbol)
    else {
      const previous = symbol === 16 ? (lengths.at(-1) ?? malformed('a repetition of nothing')) : 0
      const times =
        symbol === 16 ? 3 + bits.take(2) : symbol === 17 ? 3 + bits.take(3) : 11 + bits.take(7)
      for (let i = 0; i < times; i++) lengths.push(previous)
    }
  }
  if (lengths.length > literals + distances) malformed('more code lengths than codes')
  return [codeOf(lengths.slice(0, literals)), codeOf(lengths.slice(literals))]
}

function codeOf(lengths: readonly number[]): Code {
  const counts = new Uint16Array(16)
  for (const length of lengths) counts[length] = (counts[length] ?? 0) + 1
  counts[0] = 0
  const offsets = new Uint16Array(16)
  const nextCodes = new Uint16Array(16)
  let left = 1
  for (let length = 1; length < 16; length++) {
    left = left * 2 - (counts[length] ?? 0)
    if (left < 0) malformed('an oversubscribed code')
    const before = length - 1
    offsets[length] = (offsets[before] ?? 0) + (counts[before] ?? 0)
    nextCodes[length] = ((nextCodes[before] ?? 0) + (counts[before] ?? 0)) << 1
  }
  const symbols = new Uint16Array(lengths.length)
  const fast = new Uint16Array(1 << fastBits)
  for (const [symbol, length] of lengths.entries()) {
    if (length === 0) continue
    symbols[offsets[length] ?? 0] = symbol
    offsets[length] = (offsets[length] ?? 0) + 1
    const code = nextCodes[length] ?? 0
    nextCodes[length] = code + 1
    if (length > fastBits) continue
    const step = 1 << length
    for (let at = reversed(code, length); at < fast.length; at += step)
      fast[at] = (symbol << 4) | length
  }
  return { counts, symbols, fast }
}

function reversed(code: number, length: number): number {
  let result = 0
  for (let i = 0; i < length; i++) result |= ((code >> i) & 1) << (length - 1 - i)
  return result
}

function decode(bits: BitReader, code: Code): number {
  const entry = code.fast[bits.peek(fastBits)] ?? 0
  if (entry !== 0) {
    bits.take(entry & 15)
    return entry >> 4
  }
  let value = 0
  let first = 0
  let index = 0
  for (let length = 1; length < 16; length++) {
    value |= bits.take(1)
    const count = code.counts[length] ?? 0
    if (value - count < first) return code.symbols[index + value - first] ?? 0
    index += count
    first = (first + count) << 1
    value <<= 1
  }
  return malformed('a code that stands for nothing')
}

function malformed(what: string): never {
  throw new ProtocolError('instance_malformed', `deflated data: ${what}`)
}

function truncated(): never {
  throw new ProtocolError('instance_truncated', 'the deflated data set ends early')
}
