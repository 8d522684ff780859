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
    const reader = createReader(data)
    const offset = extended?.offsets[index]
    const length = extended?.lengths[index]
    if (offset !== undefined && length !== undefined) {
      const found = await readItem(reader, base + offset)
      if (found !== undefined && length <= found.length) return [{ offset: found.offset, length }]
    }
    const begin = starts[index]
    if (begin !== undefined) {
      const end = starts[index + 1]
      const found = await fragmentsFrom(
        reader,
        base + begin,
        end === undefined ? Infinity : base + end,
      )
      if (found.length > 0) return placesOf(found)
    }
    all ??= grouped(await fragmentsFrom(reader, base, Infinity), count)
    const frame = all[index]
    if (frame === undefined) return malformed('a frame has no fragment')
    return placesOf(frame)
  }
}

type Fragment = { offset: number; length: number; startsImage: boolean }
type Block = { start: number; bytes: Buffer }
type Reader = {
  /** What was read last. */
  held(): Block | undefined
  /** As many bytes as there are of these. */
  read(offset: number, length: number): Promise<Buffer>
}

/** Empty fragments are lawful and hold nothing; there may be very many. */
function placesOf(fragments: readonly Fragment[]): Bytes[] {
  const filled = fragments.filter(({ length }) => length > 0)
  if (filled.length === 0) return malformed('a frame has no bytes')
  return filled.map(({ offset, length }) => ({ offset, length }))
}

/** Reads through aligned blocks of the size in which stored bytes are verified. */
function createReader(data: RandomAccess): Reader {
  const size = instanceLimits.readBytes
  let held: Block | undefined
  return {
    held: () => held,
    async read(offset, wanted) {
      const length = Math.min(wanted, data.bytes - offset)
      if (length <= 0) return Buffer.alloc(0)
      const start = Math.floor(offset / size) * size
      if (offset + length > start + size) return Buffer.from(await data.read(offset, length))
      if (held?.start !== start) {
        const bytes = await data.read(start, Math.min(size, data.bytes - start))
        held = { start, bytes: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength) }
      }
      return held.bytes.subarray(offset - start, offset - start + length)
    },
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
async function readItem(reader: Reader, offset: number): Promise<Fragment | undefined> {
  const found = itemIn(await reader.read(offset, itemHeaderBytes + markerBytes), 0, offset)
  return found === 'cut' ? undefined : found
}

/** The item at a place in bytes that are at hand; `cut` when they end before it is known. */
function itemIn(bytes: Buffer, at: number, offset: number): Fragment | undefined | 'cut' {
  if (at < 0 || at + itemHeaderBytes > bytes.length) return 'cut'
  if (bytes.readUInt16LE(at) !== 0xfffe || bytes.readUInt16LE(at + 2) !== item) return undefined
  const length = bytes.readUInt32LE(at + 4)
  const place = { offset: offset + itemHeaderBytes, length }
  if (length === 0) return { ...place, startsImage: false }
  const begin = bytes.subarray(at + itemHeaderBytes, at + itemHeaderBytes + markerBytes)
  if (begin.length < Math.min(length, markerBytes)) return 'cut'
  const own = begin.subarray(0, length)
  return {
    ...place,
    startsImage: startMarkers.some((one) => own.subarray(0, one.length).equals(one)),
  }
}

const fragmentsPerTurn = 1024

async function fragmentsFrom(reader: Reader, start: number, end: number): Promise<Fragment[]> {
  const fragments: Fragment[] = []
  for (let at = start; at < end;) {
    // Without a promise for each: there may be very many.
    const block = reader.held()
    const here = block === undefined ? 'cut' : itemIn(block.bytes, at - block.start, at)
    const fragment = here === 'cut' ? await readItem(reader, at) : here
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
async function frameStarts(reader: Reader, table: Fragment, count: number): Promise<number[]> {
  if (table.length !== count * 4) return []
  const bytes = await reader.read(table.offset, table.length)
  if (bytes.length < table.length) return []
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
