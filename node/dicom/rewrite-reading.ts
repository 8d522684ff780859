import { ProtocolError } from '#protocol/errors.ts'
import { isAscii, judgeKnown, type KnownText, type TextCoding, textCoding } from './charsets.ts'
import type { RandomAccess } from './data-set.ts'
import type { Element, ParserEvents } from './element-parser.ts'
import { parseStored } from './header-source.ts'
import { isPixelTag } from './pixel-facts.ts'
import { kindOf, mayHoldLetters } from './value-representation.ts'
import { charsetTerms } from './walker.ts'

export const specificCharacterSet = 0x00080005
/** Larger values are not held while the header is written: their place is remembered. */
const heldBytesMax = 64 * 1024

export type ValueEvent = {
  kind: 'value'
  element: Element
  bytes: Uint8Array
  terms: readonly string[]
}
export type ItemEvent = {
  kind: 'item'
  /** What is declared around it, and whether it declares a set of its own. */
  terms: readonly string[]
  isDeclared: boolean
  /** Of an item that lies in no other: the declarations of text beyond ASCII in it, and where it ends. */
  used: Set<readonly string[]>
  end: number
}
type Event =
  | ValueEvent
  | ItemEvent
  | { kind: 'place'; element: Element }
  | { kind: 'sequence'; element: Element }
  | { kind: 'item-end' | 'sequence-end' }

/** The header of a data set that is to be written anew. */
export type Found = {
  /** Where the header ends and Pixel Data begins. */
  end: number
  events: Event[]
  /** Elements of the data set itself: their events, and whether their text needs a character set. */
  top: Map<number, { from: number; to: number; isBeyondAscii: boolean }>
  /** What the data set itself declares. */
  terms: readonly string[]
  /** How text that is declared so is read; nothing when that is not certain of all of it. */
  coding: (terms: readonly string[]) => TextCoding | undefined
}

/** Whether a value has text beyond ASCII. */
export const isLetters = ({ element, bytes }: Pick<ValueEvent, 'element' | 'bytes'>): boolean =>
  mayHoldLetters(element.vr) && !isAscii(bytes)

type Facts = { syntax: string; headerBytes: number; known: KnownText | undefined }

export async function readElements(
  data: RandomAccess,
  { syntax, headerBytes, known }: Facts,
): Promise<Found> {
  const reading = createReading(headerBytes)
  // A few bytes more than the header, so that a header that ends where the pixels begin is met with its end.
  await parseStored(data, syntax, reading.events, Math.min(data.bytes, headerBytes + 12))
  const { samples, ...found } = reading.found()
  return { ...found, coding: createCodings(samples, known) }
}

type Samples = Map<readonly string[], ValueEvent[]>

/** Takes down what a parser meets, up to Pixel Data. */
function createReading(headerBytes: number) {
  const top: Found['top'] = new Map()
  let end = headerBytes
  let depth = 0
  let current = { from: 0, to: 0, isBeyondAscii: false }
  const taken = createTaken()
  const { events } = taken
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
      const event = taken.value(element, bytes)
      if (isLetters(event)) current.isBeyondAscii = true
      add(event)
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
    itemBegins: () => add(taken.itemBegins()),
    itemEnds() {
      taken.itemEnds()
      add({ kind: 'item-end' })
    },
    sequenceEnds() {
      depth--
      add({ kind: 'sequence-end' })
    },
  }
  return { events: parser, found: () => ({ end, events, top, ...taken.found() }) }
}

/** Which declaration governs what is met. */
function createTaken() {
  const events: Event[] = []
  const samples: Samples = new Map()
  const scopes: (readonly string[])[] = [[]]
  const terms = (): readonly string[] => scopes.at(-1) ?? []
  let outermost: ItemEvent | undefined
  return {
    events,
    value(element: Element, bytes: Uint8Array): ValueEvent {
      if (element.tag === specificCharacterSet) {
        scopes[scopes.length - 1] = charsetTerms(bytes)
        if (scopes.length === 2 && outermost !== undefined) outermost.isDeclared = true
      }
      const event: ValueEvent = { kind: 'value', element, bytes, terms: terms() }
      if (!isLetters(event)) return event
      const known = samples.get(event.terms) ?? []
      samples.set(event.terms, known)
      known.push(event)
      outermost?.used.add(event.terms)
      return event
    },
    itemBegins(): ItemEvent {
      const event: ItemEvent = {
        kind: 'item',
        terms: terms(),
        isDeclared: false,
        used: new Set(),
        end: 0,
      }
      if (scopes.length === 1) outermost = event
      scopes.push(event.terms)
      return event
    },
    itemEnds() {
      scopes.pop()
      if (scopes.length > 1 || outermost === undefined) return
      outermost.end = events.length
      outermost = undefined
    },
    found: () => ({ samples, terms: scopes[0] ?? [] }),
  }
}

/** All text that is declared alike is judged together, and read only when not a character of it gets lost. */
function createCodings(samples: Samples, known: KnownText | undefined): Found['coding'] {
  const codings = new Map<readonly string[], TextCoding | undefined>()
  const make = (of: readonly string[]): TextCoding | undefined => {
    const texts = samples.get(of) ?? []
    const judgement = judgeKnown(
      of,
      texts.map(({ bytes }) => bytes),
      known,
    )
    if (judgement.source === 'doubtful') return undefined
    const coding = textCoding(of, judgement)
    const isWhole = texts.every(
      ({ bytes, element }) => !coding(bytes, element.vr).includes('\ufffd'),
    )
    return isWhole ? coding : undefined
  }
  return (of) => {
    if (!codings.has(of)) codings.set(of, make(of))
    return codings.get(of)
  }
}
