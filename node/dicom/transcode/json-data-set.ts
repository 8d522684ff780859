import { ProtocolError } from '#protocol/errors.ts'
import { instanceLimits } from '#protocol/limits.ts'
import { tagNumber } from '../dictionary.ts'
import { transferSyntaxes } from '../transfer-syntax.ts'
import { kindOf, numberBytes } from '../value-representation.ts'
import { elementHeader, itemHeader } from './explicit-elements.ts'
import { jsonValue } from './json-values.ts'

/** A value that came beside the metadata; compressed pixels name their transfer syntax, one part for each frame. */
export type BulkPart = { bytes: Buffer; transferSyntax?: string }
export type FindBulk = (uri: string) => readonly BulkPart[] | undefined

export type JsonDataSet = { transferSyntax: string; bytes: Buffer }

/** A data set of the DICOM JSON model (PS3.18 Annex F) in its binary encoding. Throws `instance_malformed`. */
export function jsonDataSet(json: unknown, find: FindBulk): JsonDataSet {
  const writing: Writing = { find, transferSyntax: transferSyntaxes.explicitLittleEndian }
  const attributes = objectOf(json)
  const isPlain = !('00080005' in attributes) && !/[^\0-\x7f]/.test(JSON.stringify(attributes))
  // JSON is UTF-8, whatever the data set once was in.
  const utf8 = { '00080005': { vr: 'CS', Value: ['ISO_IR 192'] } }
  const bytes = Buffer.concat(writeItem({ ...attributes, ...(!isPlain && utf8) }, writing, 0))
  return { bytes, transferSyntax: writing.transferSyntax }
}

type Writing = { find: FindBulk; transferSyntax: string }
type JsonElement = { vr?: unknown; Value?: unknown; InlineBinary?: unknown; BulkDataURI?: unknown }

const undefinedLength = 0xffff_ffff
const pixelData = 0x7fe00010
/** Told of instances, not part of them: Available Transfer Syntax UID. */
const availableTransferSyntax = 0x00083002

function writeItem(item: Record<string, unknown>, writing: Writing, depth: number): Buffer[] {
  if (depth > instanceLimits.depthMax) {
    throw new ProtocolError('instance_too_complex', 'sequences are nested too deeply')
  }
  const elements = Object.entries(item).map(([key, element]): Attribute => {
    if (!/^[0-9A-Fa-f]{8}$/.test(key)) malformed('an attribute has no tag')
    return { tag: tagNumber(key), element: objectOf(element) }
  })
  return elements
    .filter(({ tag }) => tag >>> 16 > 2 && (tag & 0xffff) !== 0 && tag !== availableTransferSyntax)
    .toSorted((one, other) => one.tag - other.tag)
    .flatMap(({ tag, element }) => writeElement(tag, element, { writing, depth }))
}

type Attribute = { tag: number; element: JsonElement }
type Place = { writing: Writing; depth: number }

function writeElement(tag: number, element: JsonElement, { writing, depth }: Place): Buffer[] {
  const { vr } = element
  if (typeof vr !== 'string' || !/^[A-Z]{2}$/.test(vr)) return malformed('a VR is missing')
  if (vr === 'SQ') return writeSequence(tag, element, { writing, depth })
  if (element.BulkDataURI !== undefined) return writeBulk(tag, vr, { element, writing, depth })
  const { InlineBinary: inline } = element
  if (inline === undefined) return plain(tag, vr, jsonValue(listOf(element.Value), vr))
  return typeof inline === 'string'
    ? plain(tag, vr, Buffer.from(inline, 'base64'))
    : malformed('a binary value is no text')
}

function writeSequence(tag: number, { Value }: JsonElement, { writing, depth }: Place): Buffer[] {
  return [
    elementHeader(tag, 'SQ', undefinedLength),
    ...listOf(Value).flatMap((item) => [
      itemHeader(0xe000, undefinedLength),
      ...writeItem(objectOf(item), writing, depth + 1),
      itemHeader(0xe00d, 0),
    ]),
    itemHeader(0xe0dd, 0),
  ]
}

type Bulk = Place & { element: JsonElement }

function writeBulk(tag: number, vr: string, { element, writing, depth }: Bulk): Buffer[] {
  const [first, ...more] =
    writing.find(typeof element.BulkDataURI === 'string' ? element.BulkDataURI : '') ?? []
  if (first === undefined) return malformed('a bulk value did not come')
  const isPixels = tag === pixelData && depth === 0
  if (!isPixels || first.transferSyntax === undefined) return plain(tag, vr, first.bytes)
  writing.transferSyntax = first.transferSyntax
  return [
    elementHeader(tag, 'OB', undefinedLength),
    itemHeader(0xe000, 0),
    ...[first, ...more].flatMap(({ bytes }) => {
      const whole = padded(bytes, 0)
      return [itemHeader(0xe000, whole.length), whole]
    }),
    itemHeader(0xe0dd, 0),
  ]
}

function plain(tag: number, vr: string, value: Buffer): Buffer[] {
  const space = kindOf(vr) === 'text' && vr !== 'UI' ? 0x20 : 0
  const whole = padded(value, space)
  const width = numberBytes[vr] ?? 1
  if (whole.length % width !== 0) return malformed('a value has a wrong length')
  const head = headerFor(tag, vr, whole.length)
  return [head, whole]
}

/** What is too long for its representation is written as unknown (PS3.5 §6.2.2). */
const headerFor = (tag: number, vr: string, length: number): Buffer =>
  length > 65_534 && elementHeader(tag, vr, 0).length === 8
    ? elementHeader(tag, 'UN', length)
    : elementHeader(tag, vr, length)

const padded = (bytes: Buffer, filler: number): Buffer =>
  bytes.length % 2 === 0 ? bytes : Buffer.concat([bytes, Buffer.of(filler)])

function objectOf(value: unknown): Record<string, unknown> {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
  return isObject ? (value as Record<string, unknown>) : malformed('this is no data set')
}

const listOf = (value: unknown): unknown[] => {
  if (value === undefined) return []
  return Array.isArray(value) ? (value as unknown[]) : malformed('values are a list')
}

function malformed(why: string): never {
  throw new ProtocolError('instance_malformed', why)
}
