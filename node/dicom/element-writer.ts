import { ProtocolError } from '#protocol/errors.ts'
import type { DicomJsonElement, DicomJsonValue } from './dicom-json.ts'
import type { Element } from './element-parser.ts'
import type { TextEncoder } from './text-encoder.ts'
import type { Encoding } from './transfer-syntax.ts'
import { hasLongLength, kindOf, numberBytes } from './value-representation.ts'

/** Writes elements one after the other (PS3.5 §7.1). Long values can be named by their place in the source. */
export type ElementWriter = {
  readonly encoding: Encoding
  /** A value of odd length is padded as its representation wants it. */
  element(tag: number, vr: string, value: Uint8Array): void
  /** An element whose value lies in the source. */
  place(element: Element): void
  /** Begins a sequence of undefined length. */
  sequence(tag: number): void
  bytes(bytes: (encoding: Encoding) => Uint8Array): void
  parts(): (Uint8Array | { offset: number; length: number })[]
}

const undefinedLength = 0xffff_ffff
const shortLengthMax = 0xffff

export function createElementWriter(encoding: Encoding): ElementWriter {
  const parts: (Uint8Array | { offset: number; length: number })[] = []
  let pending: Uint8Array[] = []
  const flush = (): void => {
    if (pending.length > 0) parts.push(Buffer.concat(pending))
    pending = []
  }
  return {
    encoding,
    element(tag, vr, value) {
      const padded = padding(value, vr)
      pending.push(elementHead({ tag, vr, length: padded.byteLength }, encoding), padded)
    },
    place({ tag, vr, length, valueOffset }) {
      pending.push(elementHead({ tag, vr, length }, encoding))
      flush()
      parts.push({ offset: valueOffset, length })
    },
    sequence(tag) {
      pending.push(elementHead({ tag, vr: 'SQ', length: undefinedLength }, encoding))
    },
    bytes: (bytes) => void pending.push(bytes(encoding)),
    parts() {
      flush()
      return parts
    },
  }
}

type Head = { tag: number; vr: string; length: number }

function elementHead({ tag, vr, length }: Head, { explicit, bigEndian }: Encoding): Buffer {
  // A value too long for its representation's short length is written as UN (PS3.5 §6.2.2 note 4).
  const isLong = hasLongLength(vr) || length > shortLengthMax
  const head = Buffer.alloc(explicit && isLong ? 12 : 8)
  const u16 = (value: number, at: number) =>
    bigEndian ? head.writeUInt16BE(value, at) : head.writeUInt16LE(value, at)
  u16(tag >>> 16, 0)
  u16(tag & 0xffff, 2)
  if (explicit) head.write(isLong && !hasLongLength(vr) ? 'UN' : vr, 4, 'latin1')
  if (explicit && !isLong) u16(length, 6)
  else if (bigEndian) head.writeUInt32BE(length, head.length - 4)
  else head.writeUInt32LE(length, head.length - 4)
  return head
}

const implicitHead =
  (tag: number, length: number) =>
  ({ bigEndian }: Encoding): Buffer =>
    elementHead({ tag, vr: '', length }, { explicit: false, bigEndian })

/** Items and ends of undefined length (PS3.5 §7.5). */
export const delimiters = {
  item: implicitHead(0xfffee000, undefinedLength),
  itemEnd: implicitHead(0xfffee00d, 0),
  sequenceEnd: implicitHead(0xfffee0dd, 0),
} as const

function padding(value: Uint8Array, vr: string): Uint8Array {
  if (value.byteLength % 2 === 0) return value
  const pad = vr === 'UI' || kindOf(vr) !== 'text' ? 0 : 0x20
  return Buffer.concat([value, Buffer.of(pad)])
}

/** A value of the DICOM JSON model as bytes. */
export function encodedValue(
  tag: string,
  element: DicomJsonElement,
  bigEndian: boolean,
  encoder: TextEncoder,
): Uint8Array {
  const { vr, Value = [] } = element
  if (kindOf(vr) === 'text') {
    const text = encodedText(element, encoder)
    if (text !== undefined) return text
    throw new ProtocolError('unsupported', `${tag} cannot be written in its character set`)
  }
  const width = numberBytes[vr]
  if (width === undefined) throw new ProtocolError('unsupported', `${tag} cannot be written`)
  const bytes = Buffer.alloc(width * Value.length)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (const [index, value] of Value.entries()) {
    writeNumber(view, { at: index * width, vr, little: !bigEndian }, Number(value))
  }
  return bytes
}

function encodedText(
  { vr, Value = [] }: DicomJsonElement,
  encoder: TextEncoder,
): Uint8Array | undefined {
  const text = Value.map(textOfValue).join('\\')
  const bytes = Buffer.alloc(encoder.bytesFor(text))
  const end = encoder.write(text, bytes, 0, vr === 'PN')
  return end < 0 ? undefined : bytes.subarray(0, end)
}

/** Whether a character set has room for a value. */
export const isExpressible = (element: DicomJsonElement, encoder: TextEncoder): boolean =>
  kindOf(element.vr) !== 'text' || encodedText(element, encoder) !== undefined

function writeNumber(
  view: DataView,
  { at, vr, little }: { at: number; vr: string; little: boolean },
  value: number,
): void {
  switch (vr) {
    case 'US':
      return view.setUint16(at, value, little)
    case 'SS':
      return view.setInt16(at, value, little)
    case 'UL':
      return view.setUint32(at, value, little)
    case 'SL':
      return view.setInt32(at, value, little)
    case 'FL':
      return view.setFloat32(at, value, little)
    case 'FD':
      return view.setFloat64(at, value, little)
    case 'SV':
      return view.setBigInt64(at, BigInt(Math.trunc(value)), little)
    default:
      return view.setBigUint64(at, BigInt(Math.trunc(value)), little)
  }
}

/** One value as DICOM writes it: a person name with `=` between its groups. */
export function textOfValue(value: DicomJsonValue): string {
  if (value === null) return ''
  if (typeof value !== 'object') return String(value)
  const { Alphabetic, Ideographic, Phonetic } = value as Record<string, string | undefined>
  return [Alphabetic, Ideographic, Phonetic]
    .map((group) => group ?? '')
    .join('=')
    .replace(/=+$/, '')
}
