import type { RandomAccess } from '../data-set.ts'
import { isSignDependent } from '../dictionary.ts'
import type { Element, ParserEvents } from '../element-parser.ts'
import { parseStored } from '../header-source.ts'
import { isPixelTag } from '../pixel-facts.ts'
import { isDeflated } from '../transfer-syntax.ts'
import { hasLongLength, kindOf } from '../value-representation.ts'

/** Part of a data set that is being written: bytes, or a place in the stored one, its words turned round if need be. */
export type Piece =
  | { length: number; bytes: Uint8Array }
  | { length: number; offset: number; swap: number }

/** Values of top-level elements to be written instead of the stored ones; nothing leaves the element out. */
export type Replacements = ReadonlyMap<number, Buffer | undefined>

type Source = { data: RandomAccess; transferSyntax: string; replace: Replacements }

/** Longer values stay where they are until they are sent. */
const copiedBytesMax = 4096
const undefinedLength = 0xffff_ffff
const pixelRepresentation = 0x00280103

/**
 * Elements of any encoding in Explicit VR Little Endian, up to Pixel Data, or all of them. Sequences get undefined
 * lengths; group lengths, which would be wrong, are left out.
 */
export async function explicitElements(
  { data, transferSyntax, replace }: Source,
  { withPixels, swapPixels }: { withPixels: boolean; swapPixels: number },
): Promise<Piece[]> {
  const pieces: Piece[] = []
  const mustCollect = isDeflated(transferSyntax)
  let isSigned = false

  function write(element: Element, value: Uint8Array | { swap: number }): void {
    const { tag, length, valueOffset } = element
    const vr = vrOf(element, isSigned)
    const isOdd = length % 2 === 1
    if (value instanceof Uint8Array) {
      const padding = Buffer.from(isOdd ? (kindOf(vr) === 'text' && vr !== 'UI' ? ' ' : '\0') : '')
      const bytes = Buffer.concat([value, padding])
      pieces.push(bytesPiece(elementHeader(tag, vr, bytes.length)), bytesPiece(bytes))
    } else {
      pieces.push(bytesPiece(elementHeader(tag, vr, length + Number(isOdd))))
      pieces.push({ length, offset: valueOffset, ...value })
      if (isOdd) pieces.push(bytesPiece(Buffer.alloc(1)))
    }
  }

  const events: ParserEvents = {
    element(element) {
      const { tag, depth, length, encoding } = element
      const isPixels = depth === 0 && isPixelTag(tag)
      if (isPixels && !withPixels) return 'stop'
      if ((tag & 0xffff) === 0) return 'skip'
      if (mustCollect || length <= copiedBytesMax) return 'collect'
      const words = isPixels && element.vr === 'OW' ? swapPixels : wordBytes(element.vr)
      write(element, { swap: encoding.bigEndian ? words : 1 })
      return 'skip'
    },
    value(element, bytes) {
      const { tag, depth, encoding } = element
      const little = encoding.bigEndian ? swapped(bytes, wordBytes(element.vr)) : bytes
      if (tag === pixelRepresentation && depth === 0) isSigned = little[0] === 1
      if (depth > 0 || !replace.has(tag)) write(element, little)
      else {
        const value = replace.get(tag)
        if (value !== undefined) write({ ...element, length: value.length }, value)
      }
    },
    fragmentsBegin: ({ depth, tag }) => (depth === 0 && isPixelTag(tag) ? 'stop' : undefined),
    sequenceBegins: ({ tag }) => {
      pieces.push(bytesPiece(elementHeader(tag, 'SQ', undefinedLength)))
    },
    itemBegins: () => void pieces.push(delimiter(0xe000, undefinedLength)),
    itemEnds: () => void pieces.push(delimiter(0xe00d, 0)),
    sequenceEnds: () => void pieces.push(delimiter(0xe0dd, 0)),
  }
  await parseStored(data, transferSyntax, events)
  return pieces
}

/** The same for a header that is in that encoding already: what is not replaced is not touched. */
export async function splicedHeader(
  { data, transferSyntax, replace }: Source,
  headerBytes: number,
): Promise<Piece[]> {
  const pieces: Piece[] = []
  let from = 0
  const copy = (to: number) => {
    if (to > from) pieces.push({ length: to - from, offset: from, swap: 1 })
  }
  const events: ParserEvents = {
    element(element) {
      const { tag, depth, offset, valueOffset, length } = element
      if (depth > 0 || !replace.has(tag)) return 'skip'
      copy(offset)
      from = valueOffset + length
      const value = replace.get(tag)
      if (value !== undefined) {
        pieces.push(bytesPiece(elementHeader(tag, element.vr, value.length)), bytesPiece(value))
      }
      return 'skip'
    },
    value: () => {},
  }
  await parseStored(data, transferSyntax, events, headerBytes)
  copy(headerBytes)
  return pieces
}

export const bytesPiece = (bytes: Uint8Array): Piece => ({ length: bytes.length, bytes })

export function elementHeader(tag: number, vr: string, length: number): Buffer {
  const isLong = hasLongLength(vr)
  const head = Buffer.alloc(isLong ? 12 : 8)
  head.writeUInt16LE(tag >>> 16, 0)
  head.writeUInt16LE(tag & 0xffff, 2)
  head.write(vr, 4, 'latin1')
  if (isLong) head.writeUInt32LE(length, 8)
  else head.writeUInt16LE(length, 6)
  return head
}

export function itemHeader(element: number, length: number): Buffer {
  const head = Buffer.alloc(8)
  head.writeUInt16LE(0xfffe, 0)
  head.writeUInt16LE(element, 2)
  head.writeUInt32LE(length, 4)
  return head
}

const delimiter = (element: number, length: number): Piece =>
  bytesPiece(itemHeader(element, length))

/** What is too long for a representation's 16-bit length is written as words or as unknown (PS3.5 §6.2.2). */
function vrOf({ tag, vr, length, encoding }: Element, isSigned: boolean): string {
  if (!hasLongLength(vr) && length > 65_534) return vr === 'US' || vr === 'SS' ? 'OW' : 'UN'
  const isOpen = vr === 'US' && !encoding.explicit && isSignDependent(tag)
  return isOpen && isSigned ? 'SS' : vr
}

const widths = new Map(
  [
    [2, 'US SS OW AT'],
    [4, 'UL SL FL OL OF'],
    [8, 'FD OD SV UV OV'],
  ].flatMap(([width, names]) =>
    String(names)
      .split(' ')
      .map((vr) => [vr, Number(width)] as const),
  ),
)
const wordBytes = (vr: string): number => widths.get(vr) ?? 1

/** A copy with the bytes of each word turned round. */
export function swapped(bytes: Uint8Array, word: number): Uint8Array {
  if (word === 1) return bytes
  const copy = Buffer.from(bytes)
  for (let at = 0; at + word <= copy.length; at += word) copy.subarray(at, at + word).reverse()
  return copy
}
