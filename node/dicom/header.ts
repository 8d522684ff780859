import { instanceLimits } from '#protocol/limits.ts'
import { asciiText, isAscii, judgeKnown, type KnownText, textCoding } from './charsets.ts'
import type { RandomAccess } from './data-set.ts'
import type { DicomJson, DicomJsonElement } from './dicom-json.ts'
import { isSignDependent, tagText } from './dictionary.ts'
import type { Element, ParserEvents } from './element-parser.ts'
import { elementJson, type RawElement } from './elements.ts'
import { parseStored } from './header-source.ts'
import { isPixelTag } from './pixel-facts.ts'
import { isDeflated } from './transfer-syntax.ts'
import { kindOf, mayHoldLetters } from './value-representation.ts'
import { charsetTerms } from './walker.ts'

/** Longer values that are no text are referred to by `BulkDataURI` (PS3.18 §8.7.3.3.2). */
const inlineBytesMax = 1024
const specificCharacterSet = 0x00080005
const pixelRepresentation = 0x00280103
/** Of an element's tag, representation and length; enough to meet Pixel Data behind the header. */
const elementHeaderBytes = 12

type Scope = {
  target: DicomJson
  terms: readonly string[]
  /** Path of the item in `bulk/…`, with its closing slash. */
  path: string
  /** Elements that it has. */
  count: number
}
type OpenSequence = { path: string; items: DicomJson[]; element: DicomJsonElement }
type Deferred = RawElement & { target: DicomJson; tag: string }

/**
 * The header as DICOM JSON (PS3.18 §F.2): every element up to Pixel Data, text decoded, (0008,0005) naming the UTF-8
 * that it now is; `known` is what the archive found out about text whose declaration does not hold. `BulkDataURI` is `bulk/<tag>[/<item>/<tag>…]`, to be resolved by `bulkValue`.
 * Of more elements than any honest object has the later ones are left out.
 */
export async function readHeader(
  data: RandomAccess,
  transferSyntax: string,
  headerBytes: number,
  known?: KnownText,
): Promise<DicomJson> {
  const builder = createHeaderBuilder(known)
  const end = isDeflated(transferSyntax)
    ? data.bytes
    : Math.min(data.bytes, headerBytes + elementHeaderBytes)
  await parseStored(data, transferSyntax, builder.events, end)
  return builder.finish()
}

function createHeaderBuilder(known: KnownText | undefined) {
  const tree = createTree()
  /** Text beyond ASCII, decoded at the end: which encoding it is in is judged from all of it. */
  const deferred = new Map<readonly string[], Deferred[]>()
  let isSigned = false

  function defer(raw: RawElement): void {
    const { target, terms } = tree.scope()
    const list = deferred.get(terms) ?? []
    deferred.set(terms, list)
    if (tree.place(raw.element, { vr: raw.element.vr })) {
      list.push({ ...raw, target, tag: tagText(raw.element.tag) })
    }
  }

  function take(element: Element, bytes: Uint8Array): void {
    const raw = { element: isSigned ? signed(element) : element, bytes }
    if (element.tag === specificCharacterSet) {
      tree.scope().terms = charsetTerms(bytes)
      tree.place(element, { vr: 'CS', Value: ['ISO_IR 192'] })
    } else if (mayHoldLetters(element.vr) && !isAscii(bytes)) {
      defer(raw)
    } else {
      const json = elementJson(raw, asciiText)
      if (element.tag === pixelRepresentation) isSigned = json.Value?.[0] === 1
      tree.place(raw.element, json)
    }
  }

  const events: ParserEvents = {
    element(element) {
      const isPixels = element.depth === 0 && isPixelTag(element.tag)
      if (!isPixels && !tree.hasRoom()) return 'skip'
      const isShort = kindOf(element.vr) === 'text' || element.length <= inlineBytesMax
      if (isShort && !isPixels) return 'collect'
      tree.place(element, bulkReference(tree.scope(), element))
      return isPixels ? 'stop' : 'skip'
    },
    value: take,
    fragmentsBegin(element) {
      tree.place(element, bulkReference(tree.scope(), element))
      return element.depth === 0 && isPixelTag(element.tag) ? 'stop' : undefined
    },
    ...tree.events,
  }
  return {
    events,
    finish(): DicomJson {
      for (const [terms, list] of deferred) decodeDeferred(terms, list, known)
      return tree.root
    },
  }
}

/** Items inside items; `scope` is where elements go at the moment. */
function createTree() {
  const root: DicomJson = {}
  let scope: Scope = { target: root, terms: [], path: '', count: 0 }
  let total = 0
  const scopes: Scope[] = []
  const sequences: OpenSequence[] = []
  /** Of a repeated element the first counts. */
  function place(element: Element, json: DicomJsonElement): boolean {
    const tag = tagText(element.tag)
    if (tag in scope.target) return false
    scope.target[tag] = json
    scope.count++
    total++
    return true
  }
  const events = {
    sequenceBegins(element: Element) {
      const json: DicomJsonElement = { vr: 'SQ' }
      place(element, json)
      sequences.push({ path: `${scope.path}${tagText(element.tag)}/`, items: [], element: json })
    },
    itemBegins() {
      const sequence = sequences.at(-1)
      scopes.push(scope)
      const target: DicomJson = {}
      const path = `${sequence?.path}${sequence?.items.length}/`
      scope = { target, terms: scope.terms, path, count: 0 }
      if (total++ < instanceLimits.shownElementsMax) sequence?.items.push(target)
    },
    itemEnds() {
      scope = scopes.pop() ?? scope
    },
    sequenceEnds() {
      const sequence = sequences.pop()
      if (sequence === undefined || sequence.items.length === 0) return
      sequence.element.Value = sequence.items
    },
  }
  const hasRoom = () =>
    scope.count < instanceLimits.shownElementsPerItem && total < instanceLimits.shownElementsMax
  return { root, place, hasRoom, scope: () => scope, events }
}

function decodeDeferred(
  terms: readonly string[],
  list: Deferred[],
  known: KnownText | undefined,
): void {
  const samples = list.map(({ bytes }) => bytes)
  const coding = textCoding(terms, judgeKnown(terms, samples, known))
  for (const { target, tag, ...raw } of list) target[tag] = elementJson(raw, coding)
}

const bulkReference = ({ path }: Scope, { tag, vr }: Element): DicomJsonElement => ({
  vr: vr === 'SQ' ? 'UN' : vr,
  BulkDataURI: `bulk/${path}${tagText(tag)}`,
})

/** Where no representation is written, Pixel Representation decides between US and SS (PS3.5 §A.1). */
const signed = (element: Element): Element =>
  element.vr === 'US' && !element.encoding.explicit && isSignDependent(element.tag)
    ? { ...element, vr: 'SS' }
    : element
