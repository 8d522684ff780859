import { setImmediate } from 'node:timers/promises'
import { ProtocolError } from '#protocol/errors.ts'
import { instanceLimits } from '#protocol/limits.ts'
import type { Bytes } from './bulk.ts'
import type { RandomAccess } from './data-set.ts'

/** Where a frame lies, by index from 0. */
export type FindFrame = (index: number, data: RandomAccess) => Promise<Bytes[]>

/**
 * Frames of encapsulated pixel data (PS3.5 §A.4). With an offset table only the fragments of the wanted frame are
 * visited, so the first frame of a large image can be shown before the rest has come; without one all are.
 */
export async function fragmentFrames(pixels: {
  data: RandomAccess
  /** Of the first item, which is the basic offset table. */
  start: number
  count: number
  /** The extended offset table. */
  offsets: () => Promise<{ offsets: number[]; lengths: number[] } | undefined>
}): Promise<FindFrame> {
  const { start, count } = pixels
  const first = createReader(pixels.data)
  const table = await readItem(first, start)
  if (table === undefined) return malformed('the pixels have no offset table')
  const base = table.offset + table.length
  const starts = count === 1 ? [] : await frameStarts(first, table, count)
  const extended = count === 1 || starts.length > 0 ? undefined : await pixels.offsets()
  let all: Fragment[][] | undefined
  return async (index, data) => {
    const read = createReader(data)
    const offset = extended?.offsets[index]
    const length = extended?.lengths[index]
    if (offset !== undefined && length !== undefined) {
      const found = await readItem(read, base + offset)
      if (found !== undefined && length <= found.length) return [{ offset: found.offset, length }]
    }
    const begin = starts[index]
    if (begin !== undefined) {
      const end = starts[index + 1]
      const found = await fragmentsFrom(
        read,
        base + begin,
        end === undefined ? Infinity : base + end,
      )
      if (found.length > 0) return placesOf(found)
    }
    all ??= grouped(await fragmentsFrom(read, base, Infinity), count)
    const frame = all[index]
    if (frame === undefined) return malformed('a frame has no fragment')
    return placesOf(frame)
  }
}

type Fragment = { offset: number; length: number; startsImage: boolean }
type Reader = (offset: number, length: number) => Promise<Buffer>

/** Empty fragments are lawful and hold nothing; there may be very many. */
function placesOf(fragments: readonly Fragment[]): Bytes[] {
  const filled = fragments.filter(({ length }) => length > 0)
  if (filled.length === 0) return malformed('a frame has no bytes')
  return filled.map(({ offset, length }) => ({ offset, length }))
}

/** Reads through aligned blocks of the size in which stored bytes are verified. */
function createReader(data: RandomAccess): Reader {
  const size = instanceLimits.readBytes
  let held: { index: number; bytes: Buffer } | undefined
  return async (offset, length) => {
    const index = Math.floor(offset / size)
    const from = index * size
    if (offset + length > from + size) return Buffer.from(await data.read(offset, length))
    if (held?.index !== index) {
      const bytes = await data.read(from, Math.min(size, data.bytes - from))
      held = { index, bytes: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength) }
    }
    return held.bytes.subarray(offset - from, offset - from + length)
  }
}

const item = 0xe000
const itemHeaderBytes = 8
/** Start of image (JPEG, JPEG-LS), of a JPEG 2000 codestream, of JPEG XL as codestream and as container. */
const startMarkers = ['ffd8ff', 'ff4fff', 'ff0a', '0000000c4a584c20'].map((hex) =>
  Buffer.from(hex, 'hex'),
)
const markerBytes = 8

/** The item at an offset; nothing at the sequence's end. */
async function readItem(read: Reader, offset: number): Promise<Fragment | undefined> {
  const head = await read(offset, itemHeaderBytes)
  if (head.length < itemHeaderBytes || head.readUInt16LE(0) !== 0xfffe) return undefined
  if (head.readUInt16LE(2) !== item) return undefined
  const length = head.readUInt32LE(4)
  if (length === 0) return { offset: offset + itemHeaderBytes, length, startsImage: false }
  const begin = await read(offset + itemHeaderBytes, Math.min(length, markerBytes))
  const startsImage = startMarkers.some((marker) => begin.subarray(0, marker.length).equals(marker))
  return { offset: offset + itemHeaderBytes, length, startsImage }
}

const fragmentsPerTurn = 1024

async function fragmentsFrom(read: Reader, start: number, end: number): Promise<Fragment[]> {
  const fragments: Fragment[] = []
  for (let at = start; at < end;) {
    const fragment = await readItem(read, at)
    if (fragment === undefined) break
    fragments.push(fragment)
    if (fragments.length > instanceLimits.fragmentsMax) malformed('too many fragments')
    // What is read already is waited for without letting anybody else run.
    if (fragments.length % fragmentsPerTurn === 0) await setImmediate()
    at = fragment.offset + fragment.length
  }
  return fragments
}

/** Offsets of the basic offset table, unless they cannot be right. */
async function frameStarts(read: Reader, table: Fragment, count: number): Promise<number[]> {
  if (table.length !== count * 4) return []
  const bytes = await read(table.offset, table.length)
  const starts = Array.from({ length: count }, (_, index) => bytes.readUInt32LE(index * 4))
  const isRising = starts.every((start, index) => index === 0 || start > (starts[index - 1] ?? 0))
  return starts[0] === 0 && isRising ? starts : []
}

/** Fragments by frame, where no table says: one each, or a new frame wherever an image begins. */
function grouped(fragments: Fragment[], count: number): Fragment[][] {
  if (count === 1) return [fragments]
  if (fragments.length === count) return fragments.map((fragment) => [fragment])
  const frames: Fragment[][] = []
  for (const fragment of fragments) {
    const current = frames.at(-1)
    if (fragment.startsImage || current === undefined) frames.push([fragment])
    else current.push(fragment)
  }
  return frames.length === count ? frames : malformed('the frames cannot be told apart')
}

function malformed(why: string): never {
  throw new ProtocolError('instance_malformed', why)
}
