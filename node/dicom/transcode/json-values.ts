import { ProtocolError } from '#protocol/errors.ts'
import { kindOf, numberBytes } from '../value-representation.ts'

/** The values of one attribute in the DICOM JSON model as Explicit VR Little Endian writes them, not padded. */
export function jsonValue(values: readonly unknown[], vr: string): Buffer {
  const width = numberBytes[vr]
  if (width !== undefined) return Buffer.concat(values.map((value) => numberValue(value, vr)))
  if (vr === 'AT') return Buffer.concat(values.map(tagValue))
  if (kindOf(vr) !== 'text') {
    if (values.length > 0) malformed('a binary value is no list')
    return Buffer.alloc(0)
  }
  return Buffer.from(values.map((value) => textValue(value, vr)).join('\\'))
}

function textValue(value: unknown, vr: string): string {
  if (value === null || value === undefined) return ''
  if (vr === 'PN') return personName(value)
  if (typeof value === 'number') return vr === 'DS' ? decimalText(value) : String(value)
  return typeof value === 'string' ? value : malformed('a text is none')
}

const groups = ['Alphabetic', 'Ideographic', 'Phonetic'] as const

function personName(value: unknown): string {
  // Some writers keep to the form of Supplement 166, which was a text.
  if (typeof value === 'string') return value
  if (typeof value !== 'object' || value === null) return malformed('a name is none')
  const name = value as Record<string, unknown>
  const texts = groups.map((group) => name[group] ?? '')
  if (!texts.every((text) => typeof text === 'string')) return malformed('a name is none')
  return texts.join('=').replace(/=+$/, '')
}

const decimalCharsMax = 16

/** As precise as a decimal string can be (PS3.5 §6.2). */
function decimalText(value: number): string {
  let text = String(value)
  for (let digits = 15; text.length > decimalCharsMax && digits > 0; digits--) {
    text = String(Number(value.toPrecision(digits)))
  }
  return text
}

function tagValue(value: unknown): Buffer {
  const digits = /^([0-9A-Fa-f]{4})([0-9A-Fa-f]{4})$/.exec(String(value))
  if (digits === null) return malformed('a tag is none')
  const bytes = Buffer.alloc(4)
  bytes.writeUInt16LE(Number.parseInt(digits[1] ?? '', 16), 0)
  bytes.writeUInt16LE(Number.parseInt(digits[2] ?? '', 16), 2)
  return bytes
}

function numberValue(value: unknown, vr: string): Buffer {
  const bytes = Buffer.alloc(numberBytes[vr] ?? 0)
  try {
    writeNumber(bytes, value, vr)
  } catch (cause) {
    throw new ProtocolError('instance_malformed', 'a number does not fit', { cause })
  }
  return bytes
}

function writeNumber(bytes: Buffer, value: unknown, vr: string): void {
  if (typeof value !== 'number' && typeof value !== 'string') malformed('a number is none')
  // Only floating numbers may be none; the others throw by themselves.
  const number = Number(value)
  switch (vr) {
    case 'US':
      bytes.writeUInt16LE(number)
      return
    case 'SS':
      bytes.writeInt16LE(number)
      return
    case 'UL':
      bytes.writeUInt32LE(number)
      return
    case 'SL':
      bytes.writeInt32LE(number)
      return
    case 'FL':
      bytes.writeFloatLE(number)
      return
    case 'FD':
      bytes.writeDoubleLE(number)
      return
    case 'SV':
      bytes.writeBigInt64LE(BigInt(value))
      return
    default:
      bytes.writeBigUInt64LE(BigInt(value))
  }
}

function malformed(why: string): never {
  throw new ProtocolError('instance_malformed', why)
}
