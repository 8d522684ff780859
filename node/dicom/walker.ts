import { ProtocolError } from '#protocol/errors.ts'
import { instanceLimits } from '#protocol/limits.ts'
import { isAscii, judgeText, type TextJudgement, textCoding } from './charsets.ts'
import type { PixelFacts, Walk, WalkedText, Walker } from './data-set.ts'
import type { DicomJson } from './dicom-json.ts'
import { tagText } from './dictionary.ts'
import { createElementParser, type Element } from './element-parser.ts'
import { elementJson, type RawElement } from './elements.ts'
import { indexTags, indexValueBytesMax } from './index-attributes.ts'
import { createIndexItems, type IndexItems } from './index-items.ts'
import { createInflater } from './inflate.ts'
import { isDamaged, isPixelTag } from './pixel-facts.ts'
import { encodingOf, isDeflated, isUid, isVideo } from './transfer-syntax.ts'
import { mayHoldLetters } from './value-representation.ts'

const specificCharacterSet = 0x00080005
const studyInstanceUid = 0x0020000d

/** Judges text beyond ASCII of one data set; who knows the device and the rest of the study judges better. */
export type JudgeText = (text: {
  declared: readonly string[]
  samples: readonly Uint8Array[]
  study: string
}) => TextJudgement

/**
 * Walks a data set of that transfer syntax. A deflated one is inflated on the way; its offsets are those of the inflated
 * data set, `bytes` those received.
 */
export function createWalker(
  transferSyntax: string,
  judge: JudgeText = ({ declared, samples }) => judgeText(declared, samples),
): Walker {
  const collected = new Map<number, RawElement>()
  const items = createIndexItems()
  let pixel: PixelFacts | undefined
  let pixelOffset: number | undefined
  let bytes = 0
  const meetPixels = (element: Element, encapsulated: boolean) => {
    pixelOffset = element.offset
    pixel = pixelsOf(element, encapsulated)
  }
  let inPixels = false
  const parser = createElementParser(encodingOf(transferSyntax), {
    element(element) {
      if (element.depth > 0) return items.wants(element) ? 'collect' : 'skip'
      if (isPixelTag(element.tag) && pixel === undefined) meetPixels(element, false)
      const isWanted = indexTags.has(element.tag) && element.length <= indexValueBytesMax
      // Of a repeated element the first counts, as in dcmtk.
      return isWanted && !collected.has(element.tag) ? 'collect' : 'skip'
    },
    value(element, bytes) {
      if (element.depth > 0) items.take({ element, bytes })
      else collected.set(element.tag, { element, bytes })
    },
    ...items.events,
    fragmentsBegin(element) {
      inPixels = element.depth === 0 && isPixelTag(element.tag) && pixel === undefined
      if (inPixels) meetPixels(element, true)
      return undefined
    },
    fragment() {
      // The first item is the offset table, which is why counting began at minus one.
      if (inPixels && pixel?.encapsulated === true) pixel.fragments++
    },
  })
  const inflater = isDeflated(transferSyntax)
    ? createInflater((part) => parser.write(part))
    : undefined

  return {
    write(chunk) {
      bytes += chunk.length
      if (bytes > instanceLimits.instanceBytes) {
        throw new ProtocolError('instance_too_complex', 'the data set is too long')
      }
      if (inflater === undefined) parser.write(chunk)
      else inflater.write(chunk)
    },
    end(): Walk {
      // It is written into headers of answers later on.
      if (!isUid(transferSyntax)) {
        throw new ProtocolError('instance_malformed', 'the transfer syntax is no UID')
      }
      inflater?.end()
      parser.end()
      if (pixel?.encapsulated === true && pixel.fragments < 0) pixel.fragments = 0
      const text = judged(collected, judge)
      const attributes = indexAttributes(collected, items, text)
      const headerBytes = inflater === undefined ? (pixelOffset ?? bytes) : bytes
      const doubt = text.source === 'declared' ? {} : { text }
      const facts = { bytes, headerBytes, attributes, ...doubt }
      if (pixel === undefined) return facts
      const damaged = isDamaged(attributes, pixel, isVideo(transferSyntax))
      return { ...facts, pixel, ...(damaged && { damaged }) }
    },
  }
}

function pixelsOf({ tag, valueOffset, length }: Element, encapsulated: boolean): PixelFacts {
  const place = { tag: tagText(tag), offset: valueOffset }
  return encapsulated
    ? { encapsulated, ...place, fragments: -1 }
    : { encapsulated, ...place, length }
}

function indexAttributes(
  collected: Map<number, RawElement>,
  items: IndexItems,
  text: WalkedText,
): DicomJson {
  const coding = textCoding(text.declared, text)
  const attributes: DicomJson = items.json(coding)
  for (const [tag, raw] of collected) attributes[tagText(tag)] = elementJson(raw, coding)
  return attributes
}

const rawValueBytesMax = 256
const rawBytesMax = 4096

/** Most data sets hold ASCII only, and then nobody asks in which character set that is. */
function judged(collected: Map<number, RawElement>, judge: JudgeText): WalkedText {
  const terms = collected.get(specificCharacterSet)
  const declared = terms === undefined ? [] : charsetTerms(terms.bytes)
  const letters = [...collected].filter(
    ([, { element, bytes }]) => mayHoldLetters(element.vr) && !isAscii(bytes),
  )
  if (letters.length === 0) return { source: 'declared', confidence: 1, declared, raw: {} }
  const uid = collected.get(studyInstanceUid)?.bytes ?? new Uint8Array()
  const judgement = judge({
    declared,
    samples: letters.map(([, { bytes }]) => bytes),
    study: Buffer.from(uid).toString('latin1').replaceAll('\0', '').trim(),
  })
  const raw: WalkedText['raw'] = {}
  let held = 0
  for (const [tag, { element, bytes }] of letters) {
    if (bytes.length > rawValueBytesMax || held + bytes.length > rawBytesMax) continue
    held += bytes.length
    raw[tagText(tag)] = { vr: element.vr, hex: Buffer.from(bytes).toString('hex') }
  }
  return { ...judgement, declared, raw }
}

/** The terms of (0008,0005). */
export const charsetTerms = (bytes: Uint8Array): string[] =>
  Buffer.from(bytes).toString('latin1').replaceAll('\0', ' ').split('\\')
