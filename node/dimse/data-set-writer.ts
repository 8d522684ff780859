import type { DicomJson, DicomJsonElement, DicomJsonValue } from '../dicom/dicom-json.ts'
import { tagNumber } from '../dicom/dictionary.ts'
import {
  hasLongLength,
  isLocalizedText,
  kindOf,
  numberBytes,
} from '../dicom/value-representation.ts'
import { utf8Encoder, type TextEncoder } from './text-encoder.ts'

/**
 * Writes small data sets in Little Endian (PS3.5 §7.1) straight into one buffer that is used again: answering a query
 * with thousands of matches allocates one buffer for each match and nothing for its elements.
 */
export type DataSetWriter = {
  begin(encoder: TextEncoder): void
  /** Elements come in ascending order. False when the text cannot be expressed: begin again with another encoder. */
  element(tag: number, vr: string, element: DicomJsonElement | undefined): boolean
  /** A copy of what was written. */
  finish(): Buffer
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
  }
  return {
    begin(encoder) {
      out.at = 0
      out.encoder = encoder
    },
    element: (tag, vr, element) => writeElement(out, tag, vr, element),
    finish: () => Buffer.from(out.bytes.subarray(0, out.at)),
  }
}

type Output = { bytes: Buffer; at: number; isExplicit: boolean; encoder: TextEncoder }

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
  const place = writeHead(out, tag, vr)
  const values = element?.Value
  let isWritten = true
  if (values !== undefined && values.length > 0) {
    const kind = kindOf(vr)
    if (kind === 'text') isWritten = writeTexts(out, values, vr)
    else if (kind === 'sequence') isWritten = writeItems(out, values)
    else if (kind === 'number' || kind === 'tag') writeNumbers(out, values, vr)
  } else if (element?.InlineBinary !== undefined) {
    writeBinary(out, element.InlineBinary)
  }
  writeLength(out, place, hasShortLength(out, tag, vr))
  return isWritten
}

const hasShortLength = ({ isExplicit }: Output, tag: number, vr: string): boolean =>
  isExplicit && tag !== itemTag && !hasLongLength(vr)

/** Where the length is to be written. */
function writeHead(out: Output, tag: number, vr: string): number {
  reserve(out, 16)
  const { bytes } = out
  bytes.writeUInt16LE(tag >>> 16, out.at)
  bytes.writeUInt16LE(tag & 0xffff, out.at + 2)
  out.at += 4
  if (out.isExplicit && tag !== itemTag) {
    bytes[out.at] = vr.charCodeAt(0)
    bytes[out.at + 1] = vr.charCodeAt(1)
    out.at += 2
    if (hasLongLength(vr)) out.at = bytes.writeUInt16LE(0, out.at)
  }
  const place = out.at
  out.at += hasShortLength(out, tag, vr) ? 2 : 4
  return place
}

/** Of the value that begins behind `place` and ends here. */
function writeLength(out: Output, place: number, isShort: boolean): void {
  const begin = place + (isShort ? 2 : 4)
  // Longer than its representation can say: nothing, rather than a part of it.
  if (isShort && out.at - begin > shortLengthMax) out.at = begin
  if (isShort) out.bytes.writeUInt16LE(out.at - begin, place)
  else out.bytes.writeUInt32LE(out.at - begin, place)
}

function writeTexts(out: Output, values: readonly DicomJsonValue[], vr: string): boolean {
  const begin = out.at
  for (const [index, value] of values.entries()) {
    reserve(out, 1)
    if (index > 0) out.bytes[out.at++] = 0x5c
    if (!writeText(out, textOf(value), vr)) return false
  }
  if ((out.at - begin) % 2 === 1) {
    reserve(out, 1)
    out.bytes[out.at++] = vr === 'UI' ? 0 : 0x20
  }
  return true
}

/** One value; false when it cannot be expressed. */
function writeText(out: Output, value: string, vr: string): boolean {
  reserve(out, value.length)
  const { bytes, at } = out
  for (let index = 0; index < value.length; index++) {
    const code = value.charCodeAt(index)
    if (code < 0x80 && code !== 0x1b) {
      bytes[at + index] = code
    } else if (isLocalizedText(vr)) {
      return encodeText(out, value, vr)
    } else {
      bytes[at + index] = 0x3f
    }
  }
  out.at += value.length
  return true
}

/** Beyond ASCII: from the beginning, in the character set. */
function encodeText(out: Output, value: string, vr: string): boolean {
  reserve(out, out.encoder.bytesFor(value))
  const end = out.encoder.write(value, out.bytes, out.at, vr === 'PN')
  if (end < 0) return false
  out.at = end
  return true
}

function writeItems(out: Output, items: readonly DicomJsonValue[]): boolean {
  for (const item of items) {
    if (typeof item !== 'object' || item === null) continue
    const place = writeHead(out, itemTag, '')
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
  return writeExpressible(writer, encoders, () =>
    elements.every(([tag, element]) => writer.element(tag, element.vr, element)),
  )
}

const specificCharacterSet = 0x00080005

/**
 * Tries the encoders until one can express everything; `write` gives false when it could not. Elements before
 * (0008,0005) do not occur in identifiers.
 */
export function writeExpressible(
  writer: DataSetWriter,
  encoders: readonly TextEncoder[],
  write: () => boolean,
): Buffer {
  for (const encoder of encoders) {
    writer.begin(encoder)
    writer.element(specificCharacterSet, 'CS', { vr: 'CS', Value: [...encoder.terms] })
    if (write()) return writer.finish()
  }
  throw new Error('no character set can express the text')
}
