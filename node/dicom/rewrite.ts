import { ProtocolError } from '#protocol/errors.ts'
import { instanceLimits } from '#protocol/limits.ts'
import { isAscii, type KnownText } from './charsets.ts'
import type { RandomAccess } from './data-set.ts'
import type { DicomJson, DicomJsonElement } from './dicom-json.ts'
import { tagNumber, tagText } from './dictionary.ts'
import type { Element } from './element-parser.ts'
import {
  createElementWriter,
  delimiters,
  encodedValue,
  isExpressible,
  type ElementWriter,
} from './element-writer.ts'
import { createInflater } from './inflate.ts'
import { createGivingWay, deflatedPieces } from './inflate-turns.ts'
import {
  type Found,
  type ItemEvent,
  isLetters,
  readElements,
  specificCharacterSet,
  type ValueEvent,
} from './rewrite-reading.ts'
import { type TextEncoder, textEncoder, utf8Encoder } from './text-encoder.ts'
import { encodingOf, isDeflated, transferSyntaxes } from './transfer-syntax.ts'
import { kindOf } from './value-representation.ts'

/** Attributes that take other values, and what Original Attributes Sequence says of it (PS3.3 §C.12.1.1.9). */
export type Modification = {
  set: DicomJson
  /** Milliseconds. */
  at: number
  system: string
  /** Who gave the values that are replaced, when it is known. */
  source: string
  reason: 'CORRECT' | 'COERCE'
}

/** A data set whose header was written anew; what follows the header is passed on as it lies there. */
export type Rewritten = {
  transferSyntax: string
  bytes: number
  parts: readonly (Uint8Array | { offset: number; length: number })[]
  /** What the places in `parts` are of: the data set, inflated when it came deflated. */
  data: RandomAccess
}

const originalAttributes = 0x04000561

/**
 * Writes other values into a data set, together with the ones that they replace. Sequences come out with undefined
 * lengths; text becomes UTF-8 only when a new or replaced value is beyond ASCII. Everything else stays byte for byte.
 * `known` is what text was taken for when it came. Text that nobody can read never becomes UTF-8: see `planOf`.
 */
export async function rewriteDataSet(
  stored: RandomAccess,
  { transferSyntax, headerBytes }: { transferSyntax: string; headerBytes: number },
  modifications: readonly Modification[],
  known?: KnownText,
): Promise<Rewritten> {
  const deflated = isDeflated(transferSyntax)
  const data = deflated ? await inflated(stored) : stored
  const syntax = deflated ? transferSyntaxes.explicitLittleEndian : transferSyntax
  const header = deflated ? data.bytes : headerBytes
  const found = await readElements(data, { syntax, headerBytes: header, known })
  const end = Math.min(found.end, data.bytes)
  const writer = createElementWriter(encodingOf(syntax))
  writeAll({ writer, found, ...planOf(found, modifications) })
  const tail = { offset: end, length: data.bytes - end }
  const parts = [...writer.parts(), ...(tail.length > 0 ? [tail] : [])]
  const bytes = parts.reduce((sum, part) => sum + part.length, 0)
  return { transferSyntax: syntax, bytes, parts, data }
}

type Plan = {
  modifications: readonly Modification[]
  /** Of the new values. */
  encoder: TextEncoder
  /** Whether all text becomes UTF-8, or stays in the set that it is declared in. */
  isUtf8: boolean
}

/**
 * In which set the text is written. Where its own text cannot be read, the data set keeps its set if that has room for
 * the new values. Else it becomes UTF-8 without what cannot be read: items keep their bytes and say which set these are in,
 * and values of the data set itself are emptied and go to Original Attributes Sequence, bytes and set alike.
 */
function planOf(found: Found, modifications: readonly Modification[]): Plan {
  const texts = modifications.flatMap(({ set }) => Object.entries(set))
  const isPlain = texts.every(([tag, element]) =>
    isAscii(encodedValue(tag, element, false, utf8Encoder)),
  )
  const isReplaced = texts.some(([tag]) => found.top.get(tagNumber(tag))?.isBeyondAscii === true)
  const isReadable = found.coding(found.terms) !== undefined
  if (isPlain && !(isReplaced && isReadable)) {
    return { modifications, encoder: utf8Encoder, isUtf8: false }
  }
  const own = isReadable ? undefined : textEncoder(found.terms)
  if (own !== undefined && texts.every(([, element]) => isExpressible(element, own))) {
    return { modifications, encoder: own, isUtf8: false }
  }
  const all = [...modifications, ...emptyingOf(found, modifications)]
  return { modifications: all, encoder: utf8Encoder, isUtf8: true }
}

/** Takes away the values that cannot be read and that nothing else replaces. */
function emptyingOf(found: Found, modifications: readonly Modification[]): Modification[] {
  const replaced = new Set(modifications.flatMap(({ set }) => Object.keys(set)))
  const set: DicomJson = {}
  for (const [tag, { from }] of found.top) {
    const event = found.events[from]
    if (event?.kind !== 'value' || !isLetters(event) || replaced.has(tagText(tag))) continue
    if (found.coding(event.terms) === undefined) set[tagText(tag)] = { vr: event.element.vr }
  }
  const [first] = modifications
  if (first === undefined || Object.keys(set).length === 0) return []
  return [{ ...first, set, reason: 'COERCE' }]
}

type Writing = Plan & { writer: ElementWriter; found: Found }

function writeAll(writing: Writing): void {
  const { found, modifications, encoder, isUtf8, writer } = writing
  const set = new Map<number, () => void>()
  for (const modification of modifications) {
    for (const [tag, element] of Object.entries(modification.set)) {
      const value = encodedValue(tag, element, writer.encoding.bigEndian, encoder)
      set.set(tagNumber(tag), () => writer.element(tagNumber(tag), element.vr, value))
    }
  }
  if (isUtf8) {
    const term = Buffer.from('ISO_IR 192')
    set.set(specificCharacterSet, () => writer.element(specificCharacterSet, 'CS', term))
  }
  if (!set.has(originalAttributes) && modifications.length > 0) {
    set.set(originalAttributes, () => writeOriginals(writing))
  }
  const waiting = [...set].sort(([a], [b]) => a - b)
  for (const [tag, { from, to }] of found.top) {
    while ((waiting[0]?.[0] ?? Infinity) < tag) waiting.shift()?.[1]()
    if (waiting[0]?.[0] === tag) waiting.shift()?.[1]()
    else writeEvents(writing, from, to)
  }
  for (const [, write] of waiting) write()
}

/** Elements as they were, their text in UTF-8 when everything else is. */
function writeEvents(writing: Writing, from: number, to: number): void {
  const { writer, found, isUtf8 } = writing
  let next = from
  for (const [index, event] of found.events.slice(from, to).entries()) {
    if (from + index < next) continue
    next = from + index + 1
    switch (event.kind) {
      case 'sequence':
        writer.sequence(event.element.tag)
        break
      case 'item':
        writer.bytes(delimiters.item)
        if (!isUtf8 || [...event.used].every((terms) => found.coding(terms) !== undefined)) break
        writeKept({ ...writing, isUtf8: false }, next, event)
        next = event.end + 1
        break
      case 'item-end':
        writer.bytes(delimiters.itemEnd)
        break
      case 'sequence-end':
        writer.bytes(delimiters.sequenceEnd)
        break
      case 'place':
        writer.place(event.element)
        break
      case 'value': {
        const { element } = event
        checkOrder(writer, element)
        writer.element(element.tag, element.vr, isUtf8 ? utf8Of(found, event) : event.bytes)
      }
    }
  }
}

/** The rest of an item whose text cannot all be read: as it was, in the set that was declared for it. */
function writeKept(writing: Writing, from: number, { end, isDeclared, terms }: ItemEvent): void {
  const { writer, found } = writing
  let at = from
  for (; at < end; at++) {
    const event = found.events[at]
    const isBefore = event?.kind === 'value' && event.element.tag < specificCharacterSet
    if (!isBefore) break
  }
  writeEvents(writing, from, at)
  if (!isDeclared) writer.element(specificCharacterSet, 'CS', statedTerms(terms))
  writeEvents(writing, at, end + 1)
}

/** In an item, what the data set around it does not declare any more. ISO 2022 IR 6 is what no declaration means. */
const statedTerms = (terms: readonly string[]): Uint8Array =>
  Buffer.from(terms.join('\\').trim() === '' ? 'ISO 2022 IR 6' : terms.join('\\'), 'latin1')

function utf8Of(found: Found, event: ValueEvent): Uint8Array {
  const { element, bytes, terms } = event
  if (element.tag === specificCharacterSet) return Buffer.from('ISO_IR 192')
  const coding = isLetters(event) ? found.coding(terms) : undefined
  return coding === undefined ? bytes : Buffer.from(coding(bytes, element.vr), 'utf8')
}

/** Numbers in what was written as UN are little-endian wherever they lie (PS3.5 §6.2.2). */
function checkOrder(writer: ElementWriter, { vr, encoding }: Element): void {
  if (encoding.bigEndian === writer.encoding.bigEndian || kindOf(vr) === 'text') return
  throw new ProtocolError('unsupported', 'values of two byte orders are not rewritten')
}

/** What other systems changed before, and then our own changes with the values that they replaced. */
function writeOriginals(writing: Writing): void {
  const { writer, found, modifications } = writing
  const earlier = found.top.get(originalAttributes)
  writer.sequence(originalAttributes)
  if (earlier !== undefined) writeEvents(writing, earlier.from + 1, earlier.to - 1)
  for (const { set, at, system, source, reason } of modifications) {
    writer.bytes(delimiters.item)
    writer.sequence(0x04000550)
    writeReplaced(writing, set)
    writer.element(0x04000562, 'DT', Buffer.from(dateTimeOf(at)))
    writer.element(0x04000563, 'LO', Buffer.from(system))
    writer.element(0x04000564, 'LO', Buffer.from(source))
    writer.element(0x04000565, 'CS', Buffer.from(reason))
    writer.bytes(delimiters.itemEnd)
  }
  writer.bytes(delimiters.sequenceEnd)
}

/** The same in the DICOM JSON model, of the header as it was. */
export function originalsOf(header: DicomJson, modifications: readonly Modification[]): DicomJson {
  if (modifications.length === 0) return {}
  const earlier = header[tagText(originalAttributes)]?.Value ?? []
  const own = modifications.map(({ set, at, system, source, reason }): DicomJson => {
    const tags = new Set(Object.keys(set).map(tagNumber).flatMap(withCreator))
    const replaced = [...tags]
      .sort((a, b) => a - b)
      .map((tag): [string, DicomJsonElement][] => {
        const name = tagText(tag)
        const vr = set[name]?.vr
        const was = header[name] ?? (vr === undefined ? undefined : { vr })
        return was === undefined ? [] : [[name, was]]
      })
    return {
      '04000550': { vr: 'SQ', Value: [Object.fromEntries(replaced.flat())] },
      '04000562': { vr: 'DT', Value: [dateTimeOf(at)] },
      '04000563': { vr: 'LO', Value: [system] },
      '04000564': source === '' ? { vr: 'LO' } : { vr: 'LO', Value: [source] },
      '04000565': { vr: 'CS', Value: [reason] },
    }
  })
  return { [tagText(originalAttributes)]: { vr: 'SQ', Value: [...earlier, ...own] } }
}

/** The item of Modified Attributes Sequence; what cannot be read is there in the set that was declared for it. */
function writeReplaced(writing: Writing, set: DicomJson): void {
  const { writer, found, isUtf8 } = writing
  const isKept = isUtf8 && found.coding(found.terms) === undefined
  writer.bytes(delimiters.item)
  if (isKept) writer.element(specificCharacterSet, 'CS', statedTerms(found.terms))
  const tags = new Set(Object.keys(set).map(tagNumber).flatMap(withCreator))
  for (const tag of [...tags].sort((a, b) => a - b)) {
    const was = found.top.get(tag)
    const vr = set[tagText(tag)]?.vr
    if (was !== undefined) writeEvents({ ...writing, isUtf8: isUtf8 && !isKept }, was.from, was.to)
    else if (vr !== undefined) writer.element(tag, vr, new Uint8Array(0))
  }
  writer.bytes(delimiters.itemEnd)
  writer.bytes(delimiters.sequenceEnd)
}

/** A private element means nothing without the element that reserves its block (PS3.5 §7.8.1). */
const withCreator = (tag: number): number[] =>
  ((tag >>> 16) & 1) === 1 && (tag & 0xffff) >= 0x1000
    ? [((tag & 0xffff0000) | ((tag >>> 8) & 0xff)) >>> 0, tag]
    : [tag]

/** UTC, with its offset (PS3.5 §6.2, DT). */
const dateTimeOf = (at: number): string =>
  `${new Date(at).toISOString().replaceAll(/[-:T]/g, '').slice(0, 14)}+0000`

/** The whole data set, inflated; only as large as is inflated without question. */
async function inflated(data: RandomAccess): Promise<RandomAccess> {
  const pieces: Buffer[] = []
  let bytes = 0
  const inflater = createInflater((piece) => {
    bytes += piece.byteLength
    if (bytes > instanceLimits.inflatedBytesFree) {
      throw new ProtocolError('unsupported', 'a deflated data set of this size is not rewritten')
    }
    pieces.push(Buffer.from(piece))
  })
  const giveWay = createGivingWay()
  for (let at = 0; at < data.bytes; at += instanceLimits.readBytes) {
    const chunk = await data.read(at, Math.min(instanceLimits.readBytes, data.bytes - at))
    for (const piece of deflatedPieces(chunk)) {
      await giveWay()
      inflater.write(piece)
    }
  }
  inflater.end()
  const whole = Buffer.concat(pieces)
  return {
    bytes: whole.byteLength,
    read: async (offset, length) => whole.subarray(offset, offset + length),
  }
}

/** The bytes of a rewritten data set; places are read in bounded pieces. */
export async function* readRewritten({ parts, data }: Rewritten): AsyncGenerator<Uint8Array> {
  for (const part of parts) {
    if (part instanceof Uint8Array) {
      yield part
      continue
    }
    const end = part.offset + part.length
    for (let at = part.offset; at < end; at += instanceLimits.readBytes) {
      yield await data.read(at, Math.min(instanceLimits.readBytes, end - at))
    }
  }
}
