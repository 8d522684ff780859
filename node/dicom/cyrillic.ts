import { wordLikelihood } from './cyrillic-letters.ts'

/**
 * Cyrillic that was declared wrongly or not at all (requirements.md, section 5; pydicom issue 2115). Only the shown
 * text is affected: the bytes stay as they came. A wrong guess puts a false name on the screen, so doubt means no guess.
 */
export const cyrillicEncodings = [
  'utf-8',
  'windows-1251',
  'iso-8859-5',
  'ibm866',
  'koi8-r',
] as const
export type CyrillicEncoding = (typeof cyrillicEncodings)[number]

/** One reading of the bytes. */
export type Candidate = {
  encoding: CyrillicEncoding
  /** How likely it is among the candidates, 0 … 1. */
  confidence: number
  /** Whether what it makes of the bytes looks like Russian at all. */
  isPlausible: boolean
}

/** How much likelier than the others each is from the outset: natural logarithms of odds. */
const priors: Record<CyrillicEncoding, number> = {
  'utf-8': 0,
  'windows-1251': 2,
  'iso-8859-5': 1,
  ibm866: 0,
  'koi8-r': -1,
}
/** Mean likelihood of a letter pair by which text still looks like Russian; names have about −2.2. */
const plausibleMean = -3.4
/** What each letter costs that does not fit the shape of its word: `Иванов`, `ИВАНОВ` or `иванов`, never `иВАНОВ`. */
const wrongCase = -7
/** What a word in small letters costs: names and headings begin with a capital. */
const smallWord = -1
/** What a sign costs that is no letter but stands in Russian text. */
const sign = -5
/** Likelihoods of pairs are not independent: their sum overstates how sure it is. */
const damping = 0.85
const samplesBytesMax = 16 * 1024

/**
 * The readings of texts of one study, judged together, the likeliest first; none when there is nothing beyond ASCII.
 * `favoured` is what was declared, and by how much that counts.
 */
export function rankCyrillic(
  samples: readonly Uint8Array[],
  favoured?: { encoding: CyrillicEncoding; odds: number },
): Candidate[] {
  const bytes = join(samples)
  if (!bytes.some((byte) => byte >= 0x80)) return []
  const utf8 = decodeStrictly(bytes)
  if (utf8 !== undefined) {
    const isPlausible = /\p{Script=Cyrillic}/u.test(utf8)
    return [{ encoding: 'utf-8', confidence: 1, isPlausible }]
  }
  const scores = cyrillicEncodings.slice(1).map((encoding) => {
    const { sum, pairs } = score(new TextDecoder(encoding).decode(bytes))
    const odds = priors[encoding] + (favoured?.encoding === encoding ? favoured.odds : 0)
    const isPlausible = pairs > 0 && sum >= plausibleMean * pairs
    return { encoding, isPlausible, sum: sum * damping + odds }
  })
  const most = Math.max(...scores.map(({ sum }) => sum))
  const total = scores.reduce((all, { sum }) => all + Math.exp(sum - most), 0)
  return scores
    .map(({ sum, ...rest }) => ({ ...rest, confidence: Math.exp(sum - most) / total }))
    .toSorted((one, other) => other.confidence - one.confidence)
}

/** Whether a declared or pinned encoding makes something of the bytes that can be Russian. */
export function isPlausibleIn(encoding: CyrillicEncoding, samples: readonly Uint8Array[]): boolean {
  const bytes = join(samples)
  const text =
    encoding === 'utf-8' ? decodeStrictly(bytes) : new TextDecoder(encoding).decode(bytes)
  if (text === undefined) return false
  const { sum, pairs } = score(text)
  return pairs === 0 || sum >= plausibleMean * pairs
}

/** Letters beyond ASCII that say anything; fewer are too few to judge by. */
const lettersMin = 2

/**
 * In Western European text letters beyond ASCII stand between ASCII letters; in Cyrillic they make whole words
 * (Latin look-alikes inside them are few).
 */
export function hasCyrillicShape(samples: readonly Uint8Array[]): boolean {
  const words =
    Buffer.from(join(samples))
      .toString('latin1')
      .match(/[A-Za-z\x80-\xff]+/g) ?? []
  let whole = 0
  let mixed = 0
  for (const word of words) {
    const high = word.replaceAll(/[A-Za-z]/g, '').length
    if (high === 0) continue
    if (high * 5 >= word.length * 4) whole += high
    else mixed += word.length
  }
  return whole >= lettersMin && whole >= 4 * mixed
}

/** Bytes beyond ASCII, which in single-byte encodings are the letters. */
export const lettersIn = (samples: readonly Uint8Array[]): number =>
  samples.reduce((all, sample) => all + sample.filter((byte) => byte >= 0x80).length, 0)

const lookAlikes: Record<string, string> = {
  a: 'а',
  b: 'в',
  c: 'с',
  e: 'е',
  h: 'н',
  k: 'к',
  m: 'м',
  o: 'о',
  p: 'р',
  t: 'т',
  x: 'х',
  y: 'у',
}

const signs = /[№«»–—…°\u00a0]/g

/** How likely a text is Russian: its letter pairs, less what is wrong with the words' shapes. */
function score(text: string): { sum: number; pairs: number } {
  let sum = 0
  let pairs = 0
  for (const [word] of text.matchAll(/[A-Za-z\u0080-\uffff]+/g)) {
    const letters = word.replaceAll(signs, '')
    const count = word.length - letters.length
    pairs += count
    sum += sign * count
    // Latin look-alikes occur inside Cyrillic words; words of ASCII alone say nothing.
    if (/^[A-Za-z]*$/.test(letters)) continue
    const lower = letters.toLowerCase().replaceAll(/[a-z]/g, (char) => lookAlikes[char] ?? char)
    pairs += letters.length + 1
    sum += wordLikelihood(lower) + wrongCase * misshapen(letters)
    if (!isCapital(letters.charAt(0))) sum += smallWord
  }
  return { sum, pairs }
}

const isCapital = (char: string): boolean => char !== char.toLowerCase()

/** Letters that are capital or small against the rest of the word; the first may be a capital. */
function misshapen(word: string): number {
  const rest = word.slice(1)
  const capitals = Array.from(rest).filter(isCapital).length
  return Math.min(capitals, rest.length - capitals + (isCapital(word.charAt(0)) ? 0 : 1))
}

/** What was cut off at the end is no fault of the text. */
function decodeStrictly(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true })
  } catch {
    return undefined
  }
}

function join(samples: readonly Uint8Array[]): Uint8Array {
  const parts: Uint8Array[] = []
  let bytes = 0
  for (const sample of samples) {
    if (bytes >= samplesBytesMax) break
    const part = sample.subarray(0, samplesBytesMax - bytes)
    parts.push(part, Uint8Array.of(0x20))
    bytes += part.length + 1
  }
  const joined = Buffer.concat(parts)
  return bytes > samplesBytesMax ? joined.subarray(0, samplesBytesMax) : joined
}
