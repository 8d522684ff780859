import { type Component, naturalOrder, readBlock, type Scan, type ScanPart } from './blocks.ts'
import { createBitReader, type HuffmanTable, huffmanTable } from './entropy.ts'
import { inverseDct } from './inverse-dct.ts'

/**
 * JPEG with the discrete cosine transform and Huffman codes, sequential and progressive, 8 or 12 bits (ITU-T T.81). The
 * fast codec knows 8 bits only; this one is for the 12-bit images of DICOM's Extended process, and rounds as the
 * standard says, so that a value read off the image is the value that was stored.
 */
export type DctImage = {
  width: number
  height: number
  components: number
  /** Interleaved by pixel. */
  samples: Uint16Array<ArrayBuffer>
}

type Frame = {
  isProgressive: boolean
  precision: number
  width: number
  height: number
  hMax: number
  vMax: number
  components: Component[]
}

type State = {
  bytes: Uint8Array
  quantizations: Uint16Array[]
  dc: HuffmanTable[]
  ac: HuffmanTable[]
  restartInterval: number
  frame?: Frame
}

export function decodeDct(bytes: Uint8Array): DctImage {
  const state: State = { bytes, quantizations: [], dc: [], ac: [], restartInterval: 0 }
  if (word(bytes, 0) !== 0xffd8) throw new Error('compressed frame is damaged')
  let scans = 0
  for (let at = nextMarker(bytes, 2); at >= 0;) {
    const marker = bytes[at + 1] ?? 0
    if (marker === 0xd9) break
    const length = word(bytes, at + 2)
    const body = bytes.subarray(at + 4, at + 2 + length)
    if (marker === 0xda) {
      scans += 1
      at = nextMarker(bytes, readScan(state, body, at + 2 + length))
    } else {
      readSegment(state, marker, body)
      at = nextMarker(bytes, at + 2 + length)
    }
  }
  if (state.frame === undefined || scans === 0) throw new Error('frame is cut')
  return imageOf(state.frame, state.quantizations)
}

const word = (bytes: Uint8Array, at: number) => ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)

/** The next marker that is neither stuffing nor a restart; -1 at the end. */
function nextMarker(bytes: Uint8Array, from: number): number {
  for (let at = bytes.indexOf(0xff, from); at >= 0; at = bytes.indexOf(0xff, at + 1)) {
    const code = bytes[at + 1] ?? 0
    if (code !== 0 && code !== 0xff && !(code >= 0xd0 && code <= 0xd7)) return at
  }
  return -1
}

function readSegment(state: State, marker: number, body: Uint8Array): void {
  switch (marker) {
    case 0xc4:
      return readHuffman(state, body)
    case 0xdb:
      return readQuantization(state, body)
    case 0xdd:
      state.restartInterval = word(body, 0)
      return undefined
    case 0xc0:
    case 0xc1:
    case 0xc2:
      state.frame = frameOf(body, marker === 0xc2)
      return undefined
    default:
      // Other kinds of frames: lossless, hierarchical, arithmetic.
      if (marker >= 0xc3 && marker <= 0xcf) throw new Error('unsupported kind of JPEG')
      return undefined
  }
}

function readHuffman(state: State, body: Uint8Array): void {
  for (let at = 0; at + 17 <= body.length;) {
    const kind = body[at] ?? 0
    const counts = body.slice(at + 1, at + 17)
    const total = counts.reduce((sum, count) => sum + count, 0)
    const table = huffmanTable(counts, body.slice(at + 17, at + 17 + total))
    const tables = kind >> 4 === 0 ? state.dc : state.ac
    tables[kind & 3] = table
    at += 17 + total
  }
}

function readQuantization(state: State, body: Uint8Array): void {
  for (let at = 0; at < body.length;) {
    const kind = body[at] ?? 0
    const isWide = kind >> 4 !== 0
    const table = new Uint16Array(64)
    for (let index = 0; index < 64; index++) {
      table[naturalOrder(index)] = isWide
        ? word(body, at + 1 + index * 2)
        : (body[at + 1 + index] ?? 1)
    }
    state.quantizations[kind & 3] = table
    at += isWide ? 129 : 65
  }
}

/** A frame of JPEG states its size; a hostile one must not take all memory. */
const pixelsMax = 2 ** 28

function frameOf(body: Uint8Array, isProgressive: boolean): Frame {
  const [precision = 0] = body
  const [height, width, count] = [word(body, 1), word(body, 3), body[5] ?? 0]
  const isSane = width > 0 && height > 0 && count > 0 && count <= 4
  if (!isSane || width * height * count > pixelsMax) throw new Error('compressed frame is damaged')
  const specs = Array.from({ length: count }, (_, index) => ({
    id: body[6 + index * 3] ?? 0,
    h: Math.max(1, (body[7 + index * 3] ?? 0x11) >> 4),
    v: Math.max(1, (body[7 + index * 3] ?? 0x11) & 15),
    quantization: (body[8 + index * 3] ?? 0) & 3,
  }))
  const hMax = Math.max(...specs.map(({ h }) => h))
  const vMax = Math.max(...specs.map(({ v }) => v))
  const components = specs.map((spec) => {
    const blocksWide = Math.ceil(width / 8 / hMax) * spec.h
    const blocksHigh = Math.ceil(height / 8 / vMax) * spec.v
    return {
      ...spec,
      blocksWide,
      ownWide: Math.ceil(Math.ceil((width * spec.h) / hMax) / 8),
      ownHigh: Math.ceil(Math.ceil((height * spec.v) / vMax) / 8),
      coefficients: new Int32Array(blocksWide * blocksHigh * 64),
    }
  })
  return { isProgressive, precision, width, height, hMax, vMax, components }
}

/** Decodes one scan; where its entropy-coded segment ends. */
function readScan(state: State, header: Uint8Array, start: number): number {
  const { frame, bytes, restartInterval } = state
  if (frame === undefined) throw new Error('compressed frame is damaged')
  const count = header[0] ?? 0
  const parts = Array.from({ length: count }, (_, index) => partOf(state, frame, header, index))
  const approximation = header[3 + count * 2] ?? 0
  const scan: Scan = {
    isProgressive: frame.isProgressive,
    from: header[1 + count * 2] ?? 0,
    to: Math.min(header[2 + count * 2] ?? 63, 63),
    high: approximation >> 4,
    low: approximation & 15,
    reader: createBitReader(bytes, start),
    endOfBand: 0,
  }
  const units = unitsOf(frame, parts)
  for (let unit = 0; unit < units; unit++) {
    if (restartInterval > 0 && unit > 0 && unit % restartInterval === 0) {
      scan.reader.restart()
      scan.endOfBand = 0
      for (const part of parts) part.predictor = 0
    }
    readUnit(frame, scan, parts, unit)
  }
  return scan.reader.end()
}

function partOf(state: State, frame: Frame, header: Uint8Array, index: number): ScanPart {
  const component = frame.components.find(({ id }) => id === header[1 + index * 2])
  if (component === undefined) throw new Error('compressed frame is damaged')
  const tables = header[2 + index * 2] ?? 0
  return { component, dc: state.dc[(tables >> 4) & 3], ac: state.ac[tables & 3], predictor: 0 }
}

/** A scan of one component goes by its own blocks, others by MCUs (T.81 A.2). */
function unitsOf({ width, height, hMax, vMax }: Frame, parts: readonly ScanPart[]): number {
  const [first] = parts
  if (parts.length === 1 && first !== undefined) {
    return first.component.ownWide * first.component.ownHigh
  }
  return Math.ceil(width / 8 / hMax) * Math.ceil(height / 8 / vMax)
}

function readUnit(frame: Frame, scan: Scan, parts: readonly ScanPart[], unit: number): void {
  const [only] = parts
  if (parts.length === 1 && only !== undefined) {
    const { ownWide, blocksWide } = only.component
    const block = Math.floor(unit / ownWide) * blocksWide + (unit % ownWide)
    readBlock(scan, only, block * 64)
    return
  }
  const unitsWide = Math.ceil(frame.width / 8 / frame.hMax)
  const [row, column] = [Math.floor(unit / unitsWide), unit % unitsWide]
  for (const part of parts) {
    const { h, v, blocksWide } = part.component
    for (let y = 0; y < v; y++) {
      for (let x = 0; x < h; x++) {
        readBlock(scan, part, ((row * v + y) * blocksWide + column * h + x) * 64)
      }
    }
  }
}

function imageOf(frame: Frame, quantizations: readonly Uint16Array[]): DctImage {
  const { width, height, components, precision, hMax, vMax } = frame
  const count = components.length
  const samples = new Uint16Array(width * height * count)
  for (const [index, component] of components.entries()) {
    const table = quantizations[component.quantization]
    if (table === undefined) throw new Error('compressed frame is damaged')
    const plane = planeOf(component, table, precision)
    const stride = component.blocksWide * 8
    for (let y = 0; y < height; y++) {
      const line = Math.floor((y * component.v) / vMax) * stride
      for (let x = 0; x < width; x++) {
        samples[(y * width + x) * count + index] =
          plane[line + Math.floor((x * component.h) / hMax)] ?? 0
      }
    }
  }
  return { width, height, components: count, samples }
}

function planeOf(component: Component, table: Uint16Array, precision: number): Uint16Array {
  const { coefficients, blocksWide } = component
  const plane = new Uint16Array(coefficients.length)
  const block = new Float64Array(64)
  const middle = 2 ** (precision - 1)
  const greatest = 2 ** precision - 1
  for (let at = 0; at < coefficients.length; at += 64) {
    inverseDct(coefficients, at, table, block)
    const number = at / 64
    const first = Math.floor(number / blocksWide) * blocksWide * 64 + (number % blocksWide) * 8
    for (let pixel = 0; pixel < 64; pixel++) {
      const value = Math.round((block[pixel] ?? 0) + middle)
      plane[first + (pixel >> 3) * blocksWide * 8 + (pixel & 7)] = Math.min(
        Math.max(value, 0),
        greatest,
      )
    }
  }
  return plane
}
