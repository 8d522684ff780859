import type { DicomJsonElement } from './dicom-json.ts'
import { asciiText, isAscii, type TextCoding } from './charsets.ts'
import type { Element } from './element-parser.ts'
import { kindOf } from './value-representation.ts'
import { binaryValues, textValues } from './values.ts'

/** An element whose value was collected. */
export type RawElement = { element: Element; bytes: Uint8Array }

/**
 * One element in the DICOM JSON model (PS3.18 §F.2). `InlineBinary` is for what is no text and no numbers; the caller
 * decides what is too long for it.
 */
export function elementJson({ element, bytes }: RawElement, coding: TextCoding): DicomJsonElement {
  const { vr } = element
  if (bytes.length === 0) return { vr }
  if (kindOf(vr) === 'text') return textElement(vr, bytes, coding)
  const values = binaryValues(bytes, vr, element.encoding.bigEndian)
  if (values !== undefined) return withValues(vr, values)
  return { vr, InlineBinary: inlineBinary(bytes, vr, element.encoding.bigEndian) }
}

export function textElement(vr: string, bytes: Uint8Array, coding: TextCoding): DicomJsonElement {
  const text = isAscii(bytes) ? asciiText(bytes) : coding(bytes, vr)
  return withValues(vr, textValues(text, vr))
}

const withValues = (vr: string, Value: DicomJsonElement['Value'] & object): DicomJsonElement =>
  Value.length === 0 ? { vr } : { vr, Value }

const wordBytes: Record<string, 2 | 4 | 8> = { OW: 2, OL: 4, OF: 4, OD: 8, OV: 8 }

/** Binary values are little-endian in JSON whatever they were (PS3.18 §F.2.7). */
export function littleEndian(bytes: Uint8Array, vr: string, bigEndian: boolean): Uint8Array {
  const width = wordBytes[vr]
  if (!bigEndian || width === undefined || bytes.length % width !== 0) return bytes
  const copy = Buffer.from(bytes)
  if (width === 2) return copy.swap16()
  return width === 4 ? copy.swap32() : copy.swap64()
}

const inlineBinary = (bytes: Uint8Array, vr: string, bigEndian: boolean): string =>
  Buffer.from(littleEndian(bytes, vr, bigEndian)).toString('base64')
