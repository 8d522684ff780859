import { ProtocolError } from '#protocol/errors.ts'
import { instanceLimits } from '#protocol/limits.ts'
import { isAscii, type TextCoding, textCoding } from './charsets.ts'
import type { PixelFacts, Walk, Walker } from './data-set.ts'
import type { DicomJson } from './dicom-json.ts'
import { tagText } from './dictionary.ts'
import { createElementParser, type Element } from './element-parser.ts'
import { elementJson, type RawElement } from './elements.ts'
import { indexTags, indexValueBytesMax } from './index-attributes.ts'
import { createInflater } from './inflate.ts'
import { isDamaged, isPixelTag } from './pixel-facts.ts'
import { encodingOf, isDeflated, isUid, isVideo } from './transfer-syntax.ts'
import { isLocalizedText } from './value-representation.ts'

const specificCharacterSet = 0x00080005

/**
 * Walks a data set of that transfer syntax. A deflated one is inflated on the way; its offsets are those of the inflated
 * data set, `bytes` those received.
 */
export function createWalker(transferSyntax: string): Walker {
  const collected = new Map<number, RawElement>()
  let pixel: PixelFacts | undefined
  let pixelOffset: number | undefined
  let bytes = 0
  const meetPixels = ({ offset, tag, valueOffset, length }: Element, encapsulated: boolean) => {
    pixelOffset = offset
    const place = { tag: tagText(tag), offset: valueOffset }
    pixel = encapsulated
      ? { encapsulated, ...place, fragments: -1 }
      : { encapsulated, ...place, length }
  }
  let inPixels = false
  const parser = createElementParser(encodingOf(transferSyntax), {
    element(element) {
      if (element.depth > 0) return 'skip'
      if (isPixelTag(element.tag) && pixel === undefined) meetPixels(element, false)
      const isWanted = indexTags.has(element.tag) && element.length <= indexValueBytesMax
      // Of a repeated element the first counts, as in dcmtk.
      return isWanted && !collected.has(element.tag) ? 'collect' : 'skip'
    },
    value(element, value) {
      collected.set(element.tag, { element, bytes: value })
    },
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
      const attributes = indexAttributes(collected)
      const headerBytes = inflater === undefined ? (pixelOffset ?? bytes) : bytes
      if (pixel === undefined) return { bytes, headerBytes, attributes }
      const damaged = isDamaged(attributes, pixel, isVideo(transferSyntax))
      return { bytes, headerBytes, attributes, pixel, ...(damaged && { damaged }) }
    },
  }
}

function indexAttributes(collected: Map<number, RawElement>): DicomJson {
  const coding = lazyCoding(collected)
  const attributes: DicomJson = {}
  for (const [tag, raw] of collected) attributes[tagText(tag)] = elementJson(raw, coding)
  return attributes
}

/** Most data sets hold ASCII only, and then nobody asks in which character set that is. */
function lazyCoding(collected: Map<number, RawElement>): TextCoding {
  let coding: TextCoding | undefined
  return (bytes, vr) => {
    if (coding === undefined) {
      const declared = collected.get(specificCharacterSet)
      const samples = [...collected.values()]
        .filter(({ element, bytes }) => isLocalizedText(element.vr) && !isAscii(bytes))
        .map(({ bytes }) => bytes)
      coding = textCoding(declared === undefined ? [] : charsetTerms(declared.bytes), samples)
    }
    return coding(bytes, vr)
  }
}

/** The terms of (0008,0005). */
export const charsetTerms = (bytes: Uint8Array): string[] =>
  Buffer.from(bytes).toString('latin1').replaceAll('\0', ' ').split('\\')
