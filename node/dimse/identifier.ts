import { ProtocolError } from '#protocol/errors.ts'
import { isAscii, judgeText, type TextCoding, textCoding } from '../dicom/charsets.ts'
import type { DicomJson, DicomJsonValue } from '../dicom/dicom-json.ts'
import { tagText } from '../dicom/dictionary.ts'
import { createElementParser, type Element, type ParserEvents } from '../dicom/element-parser.ts'
import { elementJson } from '../dicom/elements.ts'
import { encodingOf } from '../dicom/transfer-syntax.ts'
import { isLocalizedText } from '../dicom/value-representation.ts'
import { charsetTerms } from '../dicom/walker.ts'

/** The data set of a request, decoded. */
export type Identifier = {
  /** Every element, text decoded, in the DICOM JSON model. */
  keys: DicomJson
  /** Values of (0008,0005), as the caller wrote them; empty when it did not. */
  characterSet: string[]
}

const specificCharacterSet = 0x00080005

/** Reads an identifier; throws `instance_*` for what is no data set. */
export async function readIdentifier(bytes: Buffer, transferSyntax: string): Promise<Identifier> {
  const builder = createBuilder()
  const parser = createElementParser(encodingOf(transferSyntax), builder.events)
  parser.write(bytes)
  parser.end()
  return builder.finish()
}

type Raw = { target: DicomJson; element: Element; bytes: Uint8Array }

function createBuilder() {
  const keys: DicomJson = {}
  const raws: Raw[] = []
  let characterSet: string[] = []
  let target = keys
  const targets: DicomJson[] = []
  const sequences: DicomJsonValue[][] = []
  const events: ParserEvents = {
    element: () => 'collect',
    value(element, bytes) {
      if (element.depth === 0 && element.tag === specificCharacterSet) {
        const terms = charsetTerms(bytes).map((term) => term.trim())
        characterSet = terms.every((term) => term === '') ? [] : terms
      }
      raws.push({ target, element, bytes: new Uint8Array(bytes) })
    },
    sequenceBegins({ tag }) {
      const items: DicomJsonValue[] = []
      target[tagText(tag)] = { vr: 'SQ', Value: items }
      sequences.push(items)
    },
    itemBegins() {
      const item: DicomJson = {}
      sequences.at(-1)?.push(item)
      targets.push(target)
      target = item
    },
    itemEnds() {
      target = targets.pop() ?? keys
    },
    sequenceEnds: () => void sequences.pop(),
    fragmentsBegin: () => 'stop',
  }
  return {
    events,
    finish(): Identifier {
      const coding = codingOf(characterSet, raws)
      for (const { target, element, bytes } of raws) {
        target[tagText(element.tag)] = elementJson({ element, bytes }, coding)
      }
      return { keys, characterSet }
    },
  }
}

/**
 * Who asks says in which set, and a few letters prove nothing against it. Only where nothing was said about letters
 * beyond Latin are they judged, and then what is most likely is taken: a query may miss, it cannot spoil anything.
 */
function codingOf(declared: readonly string[], raws: readonly Raw[]): TextCoding {
  const isLatin = declared.every((term) => /^$|^ISO.*IR[ _]?(6|100)$/i.test(term))
  const samples = raws
    .filter(({ element, bytes }) => isLocalizedText(element.vr) && !isAscii(bytes))
    .map(({ bytes }) => bytes)
  const judgement = judgeText(declared, isLatin ? samples : [])
  const isSure = judgement.source !== 'doubtful'
  return textCoding(declared, isSure ? judgement : judgeText(declared, []))
}

/** An identifier that must be there; throws `bad_request` when it is not. */
export async function requireIdentifier(
  bytes: Buffer | undefined,
  transferSyntax: string,
): Promise<Identifier> {
  if (bytes === undefined) throw new ProtocolError('bad_request', 'a request without identifier')
  return readIdentifier(bytes, transferSyntax)
}
