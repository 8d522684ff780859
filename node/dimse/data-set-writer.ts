import type { DicomJson, DicomJsonElement, DicomJsonValue } from '../dicom/dicom-json.ts'
import { tagNumber } from '../dicom/dictionary.ts'
import {
  hasLongLength,
  isLocalizedText,
  kindOf,
  numberBytes,
  type ValueKind,
} from '../dicom/value-representation.ts'
import { utf8Encoder, type TextEncoder } from '../dicom/text-encoder.ts'

/**
 * Writes small data sets in Little Endian (PS3.5 §7.1) straight into one buffer that is used again: answering a query
 * with thousands of matches allocates one buffer for each match and nothing for its elements.
 */
export type DataSetWriter = {
  begin(): void
  /** From now on text is written by this encoder; false when what was written by another does not hold any more. */
  use(encoder: TextEncoder): boolean
  /** Elements come in ascending order. False, and nothing of it written, when the text cannot be expressed. */
  element(tag: number, vr: string, element: DicomJsonElement | undefined): boolean
  /** A copy of what was written, behind `head`. */
  finish(head?: Uint8Array): Buffer
}

const initialBytes = 16 * 1024
const shortLengthMax = 0xfffe
const itemTag = 0xfffee000

export function createDataSetWriter(isExplicit: boolean): DataSetWriter {
  const out: Output = {
    bytes: Buffer.allocUnsafe(initialBytes),
    at: 0,
    isExplicit,
    encoder: utf8Encoder,
    isPlain: true,
  }
  return {
    begin() {
      out.at = 0
      out.isPlain = true
    },
    use(encoder) {
      out.encoder = encoder
      return out.isPlain
    },
    element(tag, vr, element) {
      const start = out.at
      const isWritten = writeElement(out, tag, vr, element)
      if (!isWritten) out.at = start
      return isWritten
    },
    finish(head = nothing) {
      const written = Buffer.allocUnsafe(head.length + out.at)
      written.set(head)
      out.bytes.copy(written, head.length, 0, out.at)
      return written
    },
  }
}

const nothing = new Uint8Array()

/** `isPlain`: no text beyond ASCII so far, which is the same in every character set. */
type Output = {
  bytes: Buffer
  at: number
  isExplicit: boolean
  encoder: TextEncoder
  isPlain: boolean
}

function reserve(out: Output, bytes: number): void {
  if (out.at + bytes <= out.bytes.length) return
  const larger = Buffer.allocUnsafe(Math.max(2 * out.bytes.length, out.at + bytes))
  out.bytes.copy(larger, 0, 0, out.at)
  out.bytes = larger
}

function writeElement(
  out: Output,
  tag: number,
  vr: string,
  element: DicomJsonElement | undefined,
): boolean {
  const traits = traitsOf(vr)
  const isShort = out.isExplicit && !traits.isLong
  const place = writeHead(out, tag, out.isExplicit ? traits : undefined)
  const values = element?.Value
  let isWritten = true
  if (values !== undefined && values.length > 0) {
    const { kind } = traits
    if (kind === 'text') isWritten = writeTexts(out, values, traits)
    else if (kind === 'sequence') isWritten = writeItems(out, values)
    else if (kind === 'number' || kind === 'tag') writeNumbers(out, values, vr)
  } else if (element?.InlineBinary !== undefined) {
    writeBinary(out, element.InlineBinary)
  }
  writeLength(out, place, isShort)
  return isWritten
}

/** What a representation means for writing, found out once: an answer has thousands of elements of a few of them. */
type Traits = {
  kind: ValueKind
  isLong: boolean
  isName: boolean
  isLocalized: boolean
  pad: number
  codes: readonly [number, number]
}
const known = new Map<string, Traits>()
const knownMax = 64

function traitsOf(vr: string): Traits {
  const found = known.get(vr)
  if (found !== undefined) return found
  const traits: Traits = {
    kind: kindOf(vr),
    isLong: hasLongLength(vr),
    isName: vr === 'PN',
    isLocalized: isLocalizedText(vr),
    pad: vr === 'UI' ? 0 : 0x20,
    codes: [vr.charCodeAt(0), vr.charCodeAt(1)],
  }
  if (known.size < knownMax) known.set(vr, traits)
  return traits
}

/** Where the length is to be written; without a representation for items, and in Implicit VR. */
function writeHead(out: Output, tag: number, traits: Traits | undefined): number {
  reserve(out, 16)
  const { bytes } = out
  let { at } = out
  bytes[at] = tag >>> 16
  bytes[at + 1] = tag >>> 24
  bytes[at + 2] = tag
  bytes[at + 3] = tag >>> 8
  at += 4
  if (traits !== undefined) {
    bytes[at] = traits.codes[0]
    bytes[at + 1] = traits.codes[1]
    at += 2
    if (traits.isLong) at = bytes.writeUInt16LE(0, at)
  }
  out.at = at + (traits?.isLong === false ? 2 : 4)
  return at
}

/** Of the value that begins behind `place` and ends here. */
function writeLength(out: Output, place: number, isShort: boolean): void {
  const begin = place + (isShort ? 2 : 4)
  // Longer than its representation can say: nothing, rather than a part of it.
  if (isShort && out.at - begin > shortLengthMax) out.at = begin
  if (isShort) out.bytes.writeUInt16LE(out.at - begin, place)
  else out.bytes.writeUInt32LE(out.at - begin, place)
}

function writeTexts(out: Output, values: readonly DicomJsonValue[], traits: Traits): boolean {
  const begin = out.at
  for (let index = 0; index < values.length; index++) {
    if (index > 0) {
      reserve(out, 1)
      out.bytes[out.at++] = 0x5c
    }
    if (!writeText(out, textOf(values[index] ?? null), traits)) return false
  }
  if ((out.at - begin) % 2 === 1) {
    reserve(out, 1)
    out.bytes[out.at++] = traits.pad
  }
  return true
}

/** One value; false when it cannot be expressed. */
function writeText(out: Output, value: string, traits: Traits): boolean {
  const { length } = value
  reserve(out, length)
  const { bytes, at } = out
  for (let index = 0; index < length; index++) {
    const code = value.charCodeAt(index)
    if (code < 0x80 && code !== 0x1b) {
      bytes[at + index] = code
    } else if (traits.isLocalized) {
      return encodeText(out, value, traits.isName)
    } else {
      bytes[at + index] = 0x3f
    }
  }
  out.at += length
  return true
}

/** Beyond ASCII: from the beginning, in the character set. */
function encodeText(out: Output, value: string, isName: boolean): boolean {
  reserve(out, out.encoder.bytesFor(value))
  const end = out.encoder.write(value, out.bytes, out.at, isName)
  if (end < 0) return false
  out.isPlain = false
  out.at = end
  return true
}

function writeItems(out: Output, items: readonly DicomJsonValue[]): boolean {
  for (const item of items) {
    if (typeof item !== 'object' || item === null) continue
    const place = writeHead(out, itemTag, undefined)
    for (const [tag, element] of ascending(item as DicomJson)) {
      if (!writeElement(out, tag, element.vr, element)) return false
    }
    writeLength(out, place, false)
  }
  return true
}

function writeNumbers(out: Output, values: readonly DicomJsonValue[], vr: string): void {
  const width = vr === 'AT' ? 4 : (numberBytes[vr] ?? 0)
  reserve(out, width * values.length)
  for (const value of values) out.at = writeNumber(out.bytes, out.at, vr, value)
}

function writeBinary(out: Output, base64: string): void {
  const value = Buffer.from(base64, 'base64')
  reserve(out, value.length + 1)
  out.at += value.copy(out.bytes, out.at)
  if (value.length % 2 === 1) out.bytes[out.at++] = 0
}

const ascending = (item: DicomJson): [number, DicomJsonElement][] =>
  Object.entries(item)
    .map(([tag, element]): [number, DicomJsonElement] => [tagNumber(tag), element])
    .sort(([one], [other]) => one - other)

/** A person name has three component groups (PS3.5 §6.2.1.2). */
function textOf(value: DicomJsonValue): string {
  if (typeof value === 'string') return value
  if (typeof value === 'number') return String(value)
  if (value === null) return ''
  const { Alphabetic = '', Ideographic = '', Phonetic = '' } = value as Record<string, string>
  if (Phonetic !== '') return `${Alphabetic}=${Ideographic}=${Phonetic}`
  return Ideographic === '' ? Alphabetic : `${Alphabetic}=${Ideographic}`
}

function writeNumber(target: Buffer, at: number, vr: string, value: DicomJsonValue): number {
  if (vr === 'AT') {
    const tag = Number.parseInt(typeof value === 'string' ? value : '0', 16)
    return target.writeUInt16LE(tag & 0xffff, target.writeUInt16LE(tag >>> 16, at))
  }
  const number = Number(value ?? 0)
  switch (vr) {
    case 'US':
      return target.writeUInt16LE(number & 0xffff, at)
    case 'SS':
      return target.writeInt16LE((number << 16) >> 16, at)
    case 'UL':
      return target.writeUInt32LE(number >>> 0, at)
    case 'SL':
      return target.writeInt32LE(number | 0, at)
    case 'FL':
      return target.writeFloatLE(number, at)
    case 'FD':
      return target.writeDoubleLE(number, at)
    case 'UV':
      return target.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value as string | number)), at)
    default:
      return target.writeBigInt64LE(BigInt.asIntN(64, BigInt(value as string | number)), at)
  }
}

/** A whole data set, in the first of the encoders that can express it; (0008,0005) is written first. */
export function encodeDataSet(
  dataSet: DicomJson,
  { isExplicit, encoders }: { isExplicit: boolean; encoders: readonly TextEncoder[] },
): Buffer {
  const writer = createDataSetWriter(isExplicit)
  const elements = ascending(dataSet).filter(([tag]) => tag !== specificCharacterSet)
  const write = ([tag, element]: [number, DicomJsonElement]): boolean =>
    writer.element(tag, element.vr, element)
  return writeExpressible(elements, write, { writer, encoders, isExplicit })
}

const specificCharacterSet = 0x00080005

/**
 * Tries the encoders until one can express everything; `write` writes one element, and gives false when it could not.
 * Elements before (0008,0005) do not occur in identifiers.
 */
export function writeExpressible<Item>(
  items: readonly Item[],
  write: (item: Item) => boolean,
  to: { writer: DataSetWriter; encoders: readonly TextEncoder[]; isExplicit: boolean },
): Buffer {
  const { writer, encoders, isExplicit } = to
  let written = 0
  writer.begin()
  for (const encoder of encoders) {
    if (!writer.use(encoder)) {
      writer.begin()
      written = 0
    }
    for (; written < items.length; written++) {
      if (!write(items[written] as Item)) break
    }
    if (written === items.length) return writer.finish(characterSetOf(encoder, isExplicit))
  }
  throw new Error('no character set can express the text')
}

/** (0008,0005) of an encoder, made once. */
const characterSetOf = (() => {
  const made = {
    explicit: new WeakMap<TextEncoder, Buffer>(),
    implicit: new WeakMap<TextEncoder, Buffer>(),
  }
  return (encoder: TextEncoder, isExplicit: boolean): Buffer => {
    const known = made[isExplicit ? 'explicit' : 'implicit']
    const found = known.get(encoder)
    if (found !== undefined) return found
    const writer = createDataSetWriter(isExplicit)
    writer.element(specificCharacterSet, 'CS', { vr: 'CS', Value: [...encoder.terms] })
    const element = writer.finish()
    known.set(encoder, element)
    return element
  }
})()
