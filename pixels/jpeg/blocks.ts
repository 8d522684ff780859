import { type BitReader, type HuffmanTable, huffmanValue } from './entropy.ts'

/** Coefficients of 8 by 8 blocks out of a scan, sequential (T.81 F.2) or progressive (T.81 G.1). */
export type Component = {
  id: number
  /** Sampling factors. */
  h: number
  v: number
  quantization: number
  /** Blocks in memory, whole MCUs. */
  blocksWide: number
  /** Blocks that the component has by itself. */
  ownWide: number
  ownHigh: number
  coefficients: Int32Array
}

export type Scan = {
  isProgressive: boolean
  /** First and last coefficient, in zigzag order. */
  from: number
  to: number
  /** Successive approximation: bits above, and bit position. */
  high: number
  low: number
  reader: BitReader
  /** Blocks to come without a new coefficient. */
  endOfBand: number
}

/** What one component needs in one scan. */
export type ScanPart = {
  component: Component
  dc: HuffmanTable | undefined
  ac: HuffmanTable | undefined
  predictor: number
}

// prettier-ignore
const zigzag = new Uint8Array([
   0,  1,  8, 16,  9,  2,  3, 10, 17, 24, 32, 25, 18, 11,  4,  5,
  12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13,  6,  7, 14, 21, 28,
  35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
  58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
])

export const naturalOrder = (index: number): number => zigzag[index & 63] ?? 0

/** Decodes one block of a scan into the coefficients that begin at `at`. */
export function readBlock(scan: Scan, part: ScanPart, at: number): void {
  if (!scan.isProgressive) {
    readDc(scan, part, at)
    readAc(scan, part, at)
  } else if (scan.from === 0) {
    if (scan.high === 0) readDc(scan, part, at)
    else if (scan.reader.bit() === 1) set(part, at, get(part, at) | (1 << scan.low))
  } else if (scan.high === 0) readAc(scan, part, at)
  else refineAc(scan, part, at)
}

const get = ({ component }: ScanPart, at: number) => component.coefficients[at] ?? 0

function set({ component }: ScanPart, at: number, value: number): void {
  component.coefficients[at] = value
}

function tableOf(table: HuffmanTable | undefined): HuffmanTable {
  if (table === undefined) throw new Error('compressed frame is damaged')
  return table
}

function readDc({ reader, low }: Scan, part: ScanPart, at: number): void {
  part.predictor += reader.value(huffmanValue(tableOf(part.dc), reader))
  set(part, at, part.predictor * 2 ** low)
}

function readAc(scan: Scan, part: ScanPart, at: number): void {
  const { reader, low, isProgressive } = scan
  if (scan.endOfBand > 0) {
    scan.endOfBand -= 1
    return
  }
  const to = isProgressive ? scan.to : 63
  for (let index = isProgressive ? scan.from : 1; index <= to; index++) {
    const code = huffmanValue(tableOf(part.ac), reader)
    const size = code & 15
    const run = code >> 4
    if (size === 0) {
      if (run === 15) {
        index += 15
        continue
      }
      // A sequential block ends here; in a progressive scan, a run of blocks.
      if (isProgressive) scan.endOfBand = 2 ** run - 1 + reader.bits(run)
      return
    }
    index += run
    set(part, at + naturalOrder(index), reader.value(size) * 2 ** low)
  }
}

/** T.81 G.1.2.3: one more bit for what is known, and new coefficients between. */
function refineAc(scan: Scan, part: ScanPart, at: number): void {
  const { reader, low, to } = scan
  const bit = 2 ** low
  let index = scan.from
  if (scan.endOfBand === 0) {
    for (; index <= to; index++) {
      const code = huffmanValue(tableOf(part.ac), reader)
      const run = code >> 4
      const isNew = (code & 15) !== 0
      const value = isNew ? (reader.bit() === 1 ? bit : -bit) : 0
      if (!isNew && run < 15) {
        scan.endOfBand = 2 ** run + reader.bits(run)
        break
      }
      index = refineRun(scan, part, { at, index, zeros: run })
      if (isNew && index <= to) set(part, at + naturalOrder(index), value)
    }
  }
  if (scan.endOfBand > 0) {
    refineRun(scan, part, { at, index, zeros: 64 })
    scan.endOfBand -= 1
  }
}

type Run = { at: number; index: number; zeros: number }

/** Refines what is not zero until so many zeros have been passed; where it stopped. */
function refineRun({ reader, low, to }: Scan, part: ScanPart, { at, index, zeros }: Run): number {
  const bit = 2 ** low
  let left = zeros
  for (let next = index; next <= to; next++) {
    const place = at + naturalOrder(next)
    const known = get(part, place)
    if (known === 0) {
      if (left === 0) return next
      left -= 1
    } else if (reader.bit() === 1 && (known & bit) === 0) {
      set(part, place, known + (known > 0 ? bit : -bit))
    }
  }
  return to + 1
}
