import { instanceLimits } from '#protocol/limits.ts'
import type { TextCoding } from './charsets.ts'
import type { DicomJson } from './dicom-json.ts'
import { tagText } from './dictionary.ts'
import type { Element, ParserEvents } from './element-parser.ts'
import { elementJson, type RawElement } from './elements.ts'
import { indexSequences, indexValueBytesMax } from './index-attributes.ts'

type Item = Map<number, RawElement>

/** Collects from a data set that is being parsed what is kept of its sequences. */
export type IndexItems = {
  readonly events: Pick<ParserEvents, 'sequenceBegins' | 'itemBegins' | 'sequenceEnds'>
  /** Whether an element inside a sequence is kept; its value is to be given to `take`. */
  wants(element: Element): boolean
  take(raw: RawElement): void
  json(coding: TextCoding): DicomJson
}

export function createIndexItems(): IndexItems {
  const kept = new Map<number, Item[]>()
  let depth = 0
  let wanted: ReadonlySet<number> | undefined
  let items: Item[] = []
  let item: Item | undefined
  return {
    events: {
      sequenceBegins({ tag }) {
        if (depth++ > 0) return
        // Of a repeated element the first counts.
        wanted = kept.has(tag) ? undefined : indexSequences.get(tag)
        if (wanted !== undefined) kept.set(tag, (items = []))
      },
      itemBegins() {
        if (depth !== 1 || wanted === undefined) return
        item = items.length < instanceLimits.indexItemsMax ? new Map() : undefined
        if (item !== undefined) items.push(item)
      },
      sequenceEnds() {
        if (--depth === 0) wanted = item = undefined
      },
    },
    wants: ({ tag, depth: at, length }) =>
      at === 1 &&
      item?.has(tag) === false &&
      wanted?.has(tag) === true &&
      length <= indexValueBytesMax,
    take: (raw) => void item?.set(raw.element.tag, raw),
    json(coding) {
      const sequences: DicomJson = {}
      for (const [tag, all] of kept) {
        const known = all.filter(({ size }) => size > 0)
        if (known.length === 0) continue
        const Value = known.map((one) => itemJson(one, coding))
        sequences[tagText(tag)] = { vr: 'SQ', Value }
      }
      return sequences
    },
  }
}

const itemJson = (item: Item, coding: TextCoding): DicomJson =>
  Object.fromEntries([...item].map(([tag, raw]) => [tagText(tag), elementJson(raw, coding)]))
