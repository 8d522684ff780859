import type { DicomJsonValue, PersonName } from './dicom-json.ts'
import { tagText } from './dictionary.ts'
import { kindOf, numberBytes } from './value-representation.ts'

/** Text values split as their representation says (PS3.5 §6.2, §6.4), in the DICOM JSON model (PS3.18 §F.2). */
export function textValues(text: string, vr: string): DicomJsonValue[] {
  if (vr === 'LT' || vr === 'ST' || vr === 'UT' || vr === 'UR') {
    const whole = trimEnd(text)
    return whole === '' ? [] : [whole]
  }
  if (!text.includes('\\')) {
    const value = textValue(trimmed(text, vr), vr)
    return value === null ? [] : [value]
  }
  const values = text.split('\\').map((value) => textValue(trimmed(value, vr), vr))
  return values.every((value) => value === null) ? [] : values
}

const trimmed = (value: string, vr: string): string =>
  vr === 'PN' || vr === 'UC' ? trimEnd(value) : trimEnd(trimStart(value))

const isPadding = (char: string): boolean => char === ' ' || char === '\0'

function trimEnd(value: string): string {
  let end = value.length
  while (end > 0 && isPadding(value.charAt(end - 1))) end--
  return value.slice(0, end)
}

function trimStart(value: string): string {
  let start = 0
  while (start < value.length && isPadding(value.charAt(start))) start++
  return value.slice(start)
}

const integer = /^[+-]?\d+$/
const decimal = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/

function textValue(value: string, vr: string): DicomJsonValue {
  if (value === '') return null
  if (vr === 'PN') return personName(value)
  if (vr !== 'IS' && vr !== 'DS') return value
  const isNumber = vr === 'IS' ? integer : decimal
  const number = Number(value)
  // What is no number stays as it came; a JSON number would be an invention.
  return isNumber.test(value) && Number.isFinite(number) ? number : value
}

const emptyComponents = /[\^ ]+$/
const groups = ['Alphabetic', 'Ideographic', 'Phonetic'] as const

/** Component groups (PS3.18 §F.2.2); empty ones are left out. */
function personName(value: string): PersonName | null {
  const name: PersonName = {}
  // Delimiters of absent components may be left out (PS3.5 §6.2.1).
  value.split('=', 3).forEach((group, index) => {
    const key = groups[index]
    const text = group.replace(emptyComponents, '')
    if (key !== undefined && text !== '') name[key] = text
  })
  return Object.keys(name).length === 0 ? null : name
}

/** Binary numbers and attribute tags; nothing when the length is no multiple of the representation's. */
export function binaryValues(
  bytes: Uint8Array,
  vr: string,
  bigEndian: boolean,
): DicomJsonValue[] | undefined {
  const width = kindOf(vr) === 'tag' ? 4 : numberBytes[vr]
  if (width === undefined || bytes.length % width !== 0) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const values: DicomJsonValue[] = []
  for (let at = 0; at < bytes.length; at += width) values.push(readNumber(view, at, vr, !bigEndian))
  return values
}

function readNumber(view: DataView, at: number, vr: string, little: boolean): DicomJsonValue {
  switch (vr) {
    case 'AT':
      return tagText(((view.getUint16(at, little) << 16) | view.getUint16(at + 2, little)) >>> 0)
    case 'FL':
      return finite(view.getFloat32(at, little))
    case 'FD':
      return finite(view.getFloat64(at, little))
    case 'SL':
      return view.getInt32(at, little)
    case 'SS':
      return view.getInt16(at, little)
    case 'UL':
      return view.getUint32(at, little)
    case 'US':
      return view.getUint16(at, little)
    case 'SV':
      return exact(view.getBigInt64(at, little))
    default:
      return exact(view.getBigUint64(at, little))
  }
}

/** JSON has no such numbers (PS3.18 §F.2.3 allows text). */
const finite = (value: number): DicomJsonValue => (Number.isFinite(value) ? value : String(value))

const exact = (value: bigint): DicomJsonValue =>
  BigInt(Number(value)) === value ? Number(value) : String(value)
