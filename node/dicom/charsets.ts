import {
  hasCyrillicShape,
  isPlausibleIn,
  lettersIn,
  rankCyrillic,
  type Candidate,
  type CyrillicEncoding,
} from './cyrillic.ts'
import { decodeAs, decodeIso2022, initialSets, katakana, singleByte } from './iso-2022.ts'

/** How the text of one data set is decoded (PS3.3 §C.12.1.1.2). */
export type TextCoding = (bytes: Uint8Array, vr: string) => string

/** In which encoding the text of a data set is, and why. */
export type TextJudgement = {
  /**
   * `declared`: as (0008,0005) says. `detected`: the bytes say otherwise, clearly. `pinned`: what this device is known
   * to write, learned or said by a person. `doubtful`: nobody can tell, so the text is shown as bytes and a person asked.
   */
  source: 'declared' | 'detected' | 'pinned' | 'doubtful'
  /** Absent when the declaration stands, and when nobody can tell. */
  encoding?: CyrillicEncoding
  /** 0 … 1; of a declaration that nothing contradicts, 1. */
  confidence: number
  /** What else it could be, the likeliest first; with a doubt only. */
  candidates?: Candidate[]
}

const termsOf = (declared: readonly string[]): string[] =>
  declared.map((term) => term.trim().toUpperCase())

/** What text that is declared like this was taken for when its data set came: what lists show. */
export type KnownText = TextJudgement & { declared: readonly string[] }

/** Defined terms of (0008,0005) that name a single-byte set, without their prefix `ISO_IR` or `ISO 2022 IR`. */
const singleByteTerms: Record<string, string> = {
  '6': 'windows-1252',
  '100': 'windows-1252',
  '101': 'iso-8859-2',
  '109': 'iso-8859-3',
  '110': 'iso-8859-4',
  '144': 'iso-8859-5',
  '127': 'iso-8859-6',
  '126': 'iso-8859-7',
  '138': 'iso-8859-8',
  '148': 'iso-8859-9',
  '166': 'windows-874',
  '203': 'iso-8859-15',
}
/** Sets that own the whole value: no escape sequences, and a second byte may look like a delimiter. */
const wholeTerms: Record<string, string> = {
  'ISO_IR 192': 'utf-8',
  GB18030: 'gb18030',
  GBK: 'gbk',
}
/** Declared like this, bytes beyond ASCII may be Cyrillic that nobody declared. */
const doubtful = new Set(['', '6', '100', '101', '109', '110', '148', '203'])
/** No defined terms, but devices write them, and mostly mean them. */
const hints: readonly [RegExp, CyrillicEncoding][] = [
  [/^(WIN|WINDOWS|CP)[ _-]?1251$/, 'windows-1251'],
  [/^KOI[ _-]?8([ _-]?R)?$/, 'koi8-r'],
  [/^(CP|IBM|DOS)[ _-]?866$/, 'ibm866'],
  [/^UTF[ _-]?8$/, 'utf-8'],
  [/^ISO[ _-]?8859[ _-]5$/, 'iso-8859-5'],
]
/** What a declared Cyrillic set counts, and what a misspelt hint at one: natural logarithms of odds. */
const declaredOdds = 3
const hintOdds = 5
/** How sure a detection must be. Against a declared Cyrillic set it must be surer. */
const confident = 0.99
const confidentAgainstDeclared = 0.9999
/** Fewer letters are never enough: `ЧЕРЕП` has the bytes of `вепео` in KOI8-R. */
const lettersMin = 6

/** What a device is known to write, or a person chose. `isCertain`: also where the text says little for it. */
export type KnownEncoding = { encoding: CyrillicEncoding; isCertain?: boolean }

/** Judges all text beyond ASCII that is declared alike, together. What is known gives way to a sound declaration. */
export function judgeText(
  declared: readonly string[],
  samples: readonly Uint8Array[],
  known?: KnownEncoding,
): TextJudgement {
  const terms = termsOf(declared)
  const text = samples.filter((sample) => !isAscii(sample))
  if (text.length === 0 || text.some(hasEscape)) return asDeclared
  if (known !== undefined && isSuspect(terms, text)) {
    const { encoding, isCertain } = known
    const isFit = isCertain === true || isPlausibleIn(encoding, text)
    if (isFit) return { source: 'pinned', encoding, confidence: 1 }
  }
  const set = cyrillicSetOf(terms)
  if (set !== undefined) return judgeDeclaredCyrillic(set, text)
  return isSuspect(terms, text) ? judgeUndeclared(hintOf(terms), text) : asDeclared
}

/**
 * Judges text of a data set whose index was judged before. What is declared like the index stays what it was taken for,
 * so that a header and a copy never say otherwise than lists do; for items that declare another set that is a hint.
 */
export function judgeKnown(
  declared: readonly string[],
  samples: readonly Uint8Array[],
  known: KnownText | undefined,
): TextJudgement {
  if (known === undefined) return judgeText(declared, samples)
  if (termsOf(declared).join('\\') === termsOf(known.declared).join('\\')) return known
  const { encoding, source } = known
  const judgement = judgeText(declared, samples, encoding && { encoding })
  return source === 'doubtful' && judgement.source !== 'declared' ? known : judgement
}

const asDeclared: TextJudgement = { source: 'declared', confidence: 1 }

/** Whether the declaration leaves room for Cyrillic that it does not name. */
function isSuspect(terms: readonly string[], text: readonly Uint8Array[]): boolean {
  const [first = ''] = terms
  if (first === 'ISO_IR 192') return !text.every(isUtf8)
  if (first in wholeTerms) return false
  if (cyrillicSetOf(terms) !== undefined) return true
  return terms.every((term) => {
    const number = numberOf(term)
    return number === '144' || doubtful.has(number ?? '') || !isKnown(number)
  })
}

const cyrillicSetOf = (terms: readonly string[]): 'iso-8859-5' | undefined =>
  terms.every((term, index) => numberOf(term) === '144' || (index > 0 && term === '')) &&
  terms.length > 0
    ? 'iso-8859-5'
    : undefined

function judgeDeclaredCyrillic(set: 'iso-8859-5', text: readonly Uint8Array[]): TextJudgement {
  const candidates = rankCyrillic(text, { encoding: set, odds: declaredOdds })
  const [best] = candidates
  if (best === undefined || best.encoding === set || !hasCyrillicShape(text)) return asDeclared
  if (isSure(best, text, confidentAgainstDeclared)) return detected(best)
  return isPlausibleIn(set, text) ? asDeclared : inDoubt(candidates)
}

function judgeUndeclared(
  hint: CyrillicEncoding | undefined,
  text: readonly Uint8Array[],
): TextJudgement {
  const favoured = hint === undefined ? undefined : { encoding: hint, odds: hintOdds }
  const candidates = rankCyrillic(text, favoured)
  const [best] = candidates
  if (best === undefined || !hasCyrillicShape(text)) return asDeclared
  // Valid UTF-8 that is no Cyrillic is some other alphabet's, and read as such.
  if (best.encoding === 'utf-8') return detected(best)
  return isSure(best, text, confident) ? detected(best) : inDoubt(candidates)
}

/** KOI8-R is never concluded, only pinned or chosen: its small letters are the capitals of other alphabets. */
const isSure = (best: Candidate, text: readonly Uint8Array[], confidence: number): boolean =>
  best.isPlausible &&
  best.encoding !== 'koi8-r' &&
  best.confidence >= confidence &&
  (best.encoding === 'utf-8' || lettersIn(text) >= lettersMin)

const detected = ({ encoding, confidence }: Candidate): TextJudgement => ({
  source: 'detected',
  encoding,
  confidence,
})

const inDoubt = (candidates: Candidate[]): TextJudgement => ({
  source: 'doubtful',
  confidence: candidates[0]?.confidence ?? 0,
  candidates,
})

const hintOf = (terms: readonly string[]): CyrillicEncoding | undefined =>
  terms.some((term) => numberOf(term) === '144')
    ? 'iso-8859-5'
    : hints.find(([pattern]) => terms.some((term) => pattern.test(term)))?.[1]

/** The decoding that (0008,0005) declares and that a judgement corrects. */
export function textCoding(declared: readonly string[], judgement: TextJudgement): TextCoding {
  const { encoding, source } = judgement
  if (source === 'doubtful') return rawText
  if (encoding !== undefined) return (bytes) => decodeAs(encoding, bytes)
  const terms = termsOf(declared)
  const first = terms[0] ?? ''
  const whole = wholeTerms[first]
  if (whole !== undefined) return (bytes) => decodeAs(whole, bytes)
  const number = numberOf(first)
  const high =
    number === '13' ? katakana : singleByte(singleByteTerms[number ?? ''] ?? 'windows-1252')
  const initial = initialSets(high)
  return (bytes, vr) => decodeIso2022(bytes, initial, vr === 'PN')
}

/** Decodes one value on its own; never throws. */
export const decodeText = (bytes: Uint8Array, declared: readonly string[], vr: string): string =>
  textCoding(declared, judgeText(declared, [bytes]))(bytes, vr)

/** Text that nobody can read yet: ASCII as it is, the other bytes as `<C8E2E0>`, so that nothing is invented. */
export function rawText(bytes: Uint8Array): string {
  return Buffer.from(bytes)
    .toString('latin1')
    .replaceAll(
      /[\x80-\xff]+/g,
      (run) => `<${Buffer.from(run, 'latin1').toString('hex').toUpperCase()}>`,
    )
}

/** Whether a text holds bytes that could not be read. */
export const hasRawText = (text: string): boolean => /<(?:[89A-F][0-9A-F])+>/.test(text)

/** `ISO_IR 144`, `ISO 2022 IR 144`, and how real devices misspell them, down to `ISO-IR 144` and `ISO_IR144`. */
const numberOf = (term: string): string | undefined =>
  /^ISO[ _-]?(?:2022)?[ _-]?IR[ _-]?(\d+)$/.exec(term)?.[1] ?? (term === '' ? '' : undefined)

const isKnown = (number: string | undefined): boolean =>
  number !== undefined &&
  (number in singleByteTerms || ['13', '58', '87', '149', '159'].includes(number))

function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    return true
  } catch {
    return false
  }
}

const hasEscape = (bytes: Uint8Array): boolean => bytes.includes(0x1b)

/** Text that means the same in every character set. Escape sequences are ASCII bytes too, and mean that it is not. */
export function isAscii(bytes: Uint8Array): boolean {
  for (const byte of bytes) if (byte >= 0x80 || byte === 0x1b) return false
  return true
}

/** Most values are short, and for those a loop costs less than a call out of the engine. */
export function asciiText(bytes: Uint8Array): string {
  if (bytes.length > 64) {
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
  }
  let text = ''
  for (const byte of bytes) text += String.fromCharCode(byte)
  return text
}
