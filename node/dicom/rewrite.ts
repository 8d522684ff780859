import { ProtocolError } from '#protocol/errors.ts'
import { instanceLimits } from '#protocol/limits.ts'
import { isAscii, judgeText, type TextCoding, textCoding } from './charsets.ts'
import type { RandomAccess } from './data-set.ts'
import type { DicomJson } from './dicom-json.ts'
import { tagNumber } from './dictionary.ts'
import type { Element, ParserEvents } from './element-parser.ts'
import {
  createElementWriter,
  delimiters,
  encodedValue,
  type ElementWriter,
} from './element-writer.ts'
import { parseStored } from './header-source.ts'
import { createInflater } from './inflate.ts'
import { createGivingWay, deflatedPieces } from './inflate-turns.ts'
import { isPixelTag } from './pixel-facts.ts'
import { encodingOf, isDeflated, transferSyntaxes } from './transfer-syntax.ts'
import { isLocalizedText, kindOf } from './value-representation.ts'
import { charsetTerms } from './walker.ts'

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

const specificCharacterSet = 0x00080005
const originalAttributes = 0x04000561
/** Larger values are not held while the header is written: their place is remembered. */
const heldBytesMax = 64 * 1024

/**
 * Writes other values into a data set, together with the ones that they replace. Sequences come out with undefined
 * lengths; text becomes UTF-8 only when a new or replaced value is beyond ASCII. Everything else stays byte for byte.
 */
export async function rewriteDataSet(
  stored: RandomAccess,
  { transferSyntax, headerBytes }: { transferSyntax: string; headerBytes: number },
  modifications: readonly Modification[],
): Promise<Rewritten> {
  const deflated = isDeflated(transferSyntax)
  const data = deflated ? await inflated(stored) : stored
  const syntax = deflated ? transferSyntaxes.explicitLittleEndian : transferSyntax
  const found = await readElements(data, syntax, deflated ? data.bytes : headerBytes)
  const end = Math.min(found.end, data.bytes)
  const texts = modifications.flatMap(({ set }) => Object.entries(set))
  const isBeyondAscii =
    texts.some(([tag, element]) => !isAscii(encodedValue(tag, element, false))) ||
    texts.some(([tag]) => found.top.get(tagNumber(tag))?.isBeyondAscii === true)
  const writer = createElementWriter(encodingOf(syntax))
  writeAll({ writer, found, modifications, isUtf8: isBeyondAscii })
  const tail = { offset: end, length: data.bytes - end }
  const parts = [...writer.parts(), ...(tail.length > 0 ? [tail] : [])]
  const bytes = parts.reduce((sum, part) => sum + part.length, 0)
  return { transferSyntax: syntax, bytes, parts, data }
}

type Event =
  | { kind: 'value'; element: Element; bytes: Uint8Array; terms: readonly string[] }
  | { kind: 'place'; element: Element }
  | { kind: 'sequence'; element: Element }
  | { kind: 'item' | 'item-end' | 'sequence-end' }

type Found = {
  /** Where the header ends and Pixel Data begins. */
  end: number
  events: Event[]
  /** Elements of the data set itself: their events, and whether their text needs a character set. */
  top: Map<number, { from: number; to: number; isBeyondAscii: boolean }>
  coding: (terms: readonly string[]) => TextCoding
}

async function readElements(
  data: RandomAccess,
  syntax: string,
  headerBytes: number,
): Promise<Found> {
  const reading = createReading(headerBytes)
  // A few bytes more than the header, so that a header that ends where the pixels begin is met with its end.
  await parseStored(data, syntax, reading.events, Math.min(data.bytes, headerBytes + 12))
  return reading.found()
}

/** Takes down what a parser meets, up to Pixel Data. */
function createReading(headerBytes: number): { events: ParserEvents; found: () => Found } {
  const events: Event[] = []
  const top: Found['top'] = new Map()
  const samples = new Map<readonly string[], Uint8Array[]>()
  const scopes: (readonly string[])[] = [[]]
  const terms = (): readonly string[] => scopes.at(-1) ?? []
  let end = headerBytes
  let depth = 0
  let current = { from: 0, to: 0, isBeyondAscii: false }
  const begin = (tag: number): void => {
    if (depth > 0) return
    current = { from: events.length, to: events.length, isBeyondAscii: false }
    if (!top.has(tag)) top.set(tag, current)
  }
  const add = (event: Event): void => {
    events.push(event)
    current.to = events.length
  }
  const parser: ParserEvents = {
    element(element) {
      if (depth === 0 && isPixelTag(element.tag)) {
        end = element.offset
        return 'stop'
      }
      begin(element.tag)
      if (kindOf(element.vr) === 'text' || element.length <= heldBytesMax) return 'collect'
      add({ kind: 'place', element })
      return 'skip'
    },
    value(element, bytes) {
      if (element.tag === specificCharacterSet) scopes[scopes.length - 1] = charsetTerms(bytes)
      if (isLocalizedText(element.vr) && !isAscii(bytes)) {
        current.isBeyondAscii = true
        const known = samples.get(terms()) ?? []
        samples.set(terms(), known)
        known.push(bytes)
      }
      add({ kind: 'value', element, bytes, terms: terms() })
    },
    fragmentsBegin(element) {
      if (depth === 0 && isPixelTag(element.tag)) {
        end = element.offset
        return 'stop'
      }
      throw new ProtocolError('unsupported', 'encapsulated values in the header are not rewritten')
    },
    sequenceBegins(element) {
      begin(element.tag)
      depth++
      add({ kind: 'sequence', element })
    },
    itemBegins() {
      scopes.push(terms())
      add({ kind: 'item' })
    },
    itemEnds() {
      scopes.pop()
      add({ kind: 'item-end' })
    },
    sequenceEnds() {
      depth--
      add({ kind: 'sequence-end' })
    },
  }
  return { events: parser, found: () => ({ end, events, top, coding: createCodings(samples) }) }
}

/** All text that is declared alike is judged together. */
function createCodings(samples: ReadonlyMap<readonly string[], Uint8Array[]>): Found['coding'] {
  const codings = new Map<readonly string[], TextCoding>()
  return (of) => {
    const known = codings.get(of) ?? textCoding(of, judgeText(of, samples.get(of) ?? []))
    codings.set(of, known)
    return known
  }
}

type Writing = {
  writer: ElementWriter
  found: Found
  modifications: readonly Modification[]
  isUtf8: boolean
}

function writeAll(writing: Writing): void {
  const { found, modifications, isUtf8, writer } = writing
  const set = new Map<number, () => void>()
  for (const modification of modifications) {
    for (const [tag, element] of Object.entries(modification.set)) {
      const value = encodedValue(tag, element, writer.encoding.bigEndian)
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
function writeEvents({ writer, found, isUtf8 }: Writing, from: number, to: number): void {
  for (const event of found.events.slice(from, to)) {
    switch (event.kind) {
      case 'sequence':
        writer.sequence(event.element.tag)
        break
      case 'item':
        writer.bytes(delimiters.item)
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

function utf8Of(found: Found, { element, bytes, terms }: Event & { kind: 'value' }): Uint8Array {
  if (element.tag === specificCharacterSet) return Buffer.from('ISO_IR 192')
  if (!isLocalizedText(element.vr) || isAscii(bytes)) return bytes
  return Buffer.from(found.coding(terms)(bytes, element.vr), 'utf8')
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
    writer.bytes(delimiters.item)
    for (const tag of Object.keys(set)
      .map(tagNumber)
      .sort((a, b) => a - b)) {
      const was = found.top.get(tag)
      if (was === undefined) writer.element(tag, set[tagText8(tag)]?.vr ?? 'UN', new Uint8Array(0))
      else writeEvents(writing, was.from, was.to)
    }
    writer.bytes(delimiters.itemEnd)
    writer.bytes(delimiters.sequenceEnd)
    writer.element(0x04000562, 'DT', Buffer.from(dateTimeOf(at)))
    writer.element(0x04000563, 'LO', Buffer.from(system))
    writer.element(0x04000564, 'LO', Buffer.from(source))
    writer.element(0x04000565, 'CS', Buffer.from(reason))
    writer.bytes(delimiters.itemEnd)
  }
  writer.bytes(delimiters.sequenceEnd)
}

const tagText8 = (tag: number): string => tag.toString(16).toUpperCase().padStart(8, '0')

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
