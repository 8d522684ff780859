/**
 * Cyrillic that was declared wrongly or not at all (requirements.md, section 5; pydicom issue 2115). Only the shown
 * text is affected: the bytes stay as they came. A wrong guess puts a false name on the screen, so doubt means no guess.
 */
const candidates = ['windows-1251', 'koi8-r', 'ibm866', 'iso-8859-5'] as const

/** Per cent of Russian letters in text and surnames, `а` to `я` and `ё`; hard signs and the like are rare. */
const percents =
  'а8.0 б1.7 в5.0 г1.7 д3.0 е8.4 ж0.9 з1.6 и7.6 й1.2 к4.2 л4.5 м3.2 н6.8 о10.5 п2.8 р4.9 с5.3 т6.0 у2.6 ф0.4 х1.0 ц0.5 ч1.5 ш0.7 щ0.4 ъ0.05 ы1.9 ь1.7 э0.3 ю0.6 я2.0 ё0.3'
const frequency = new Map(
  percents.split(' ').map((entry) => [entry.charAt(0), Math.log(Number(entry.slice(1)))]),
)
/** What one character that is no Russian letter costs. */
const alien = Math.log(0.001)
/** What each letter costs that does not fit the shape of its word: `Иванов`, `ИВАНОВ` or `иванов`, never `иВАНОВ`. */
const wrongCase = -6
/** What each consonant beyond four in a row costs, and each vowel beyond three. */
const unspeakable = -3
const vowels = new Set('аеёиоуыэюя')
/** Mean score of a letter that is enough; Russian text has about 1.6. */
const enough = 0.9
/** How much less likely the next candidate must be, all letters together. */
const margin = 8
const lettersMin = 4
/** How much less likely than the rest it is from the outset. */
const handicap: Record<string, number> = { 'koi8-r': 4 }
/** How much more likely another encoding must be than a Cyrillic one that was declared, which may just be odd text. */
const marginOverDeclared = 30

/** The encoding that clearly holds Cyrillic in these bytes, or nothing. `declared` is ISO 8859-5 when the file says so. */
export function detectCyrillic(
  samples: readonly Uint8Array[],
  declared?: 'iso-8859-5',
): string | undefined {
  const bytes = join(samples)
  if (!bytes.some((byte) => byte >= 0x80)) return undefined
  const utf8 = decodeStrictly(bytes)
  if (utf8 !== undefined) return /\p{Script=Cyrillic}/u.test(utf8) ? 'utf-8' : undefined
  if (!hasCyrillicShape(bytes)) return undefined
  const [best, next] = candidates
    .map((label) => scored(label, bytes))
    .toSorted((one, other) => other.sum - one.sum)
  if (best === undefined || next === undefined || best.sum < enough * best.letters) return undefined
  // Small letters of KOI8-R are capitals of other alphabets, Greek above all, and sound alike.
  if (best.label === 'koi8-r' && !hasCapitals(best.text)) return undefined
  if (declared !== undefined && best.sum - scored(declared, bytes).sum < marginOverDeclared) {
    return undefined
  }
  return best.sum - next.sum >= margin ? best.label : undefined
}

/**
 * In Western European text letters beyond ASCII stand between ASCII letters; in Cyrillic they make whole words
 * (Latin look-alikes inside them are few).
 */
function hasCyrillicShape(bytes: Uint8Array): boolean {
  const words =
    Buffer.from(bytes)
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

function scored(label: string, bytes: Uint8Array) {
  const text = new TextDecoder(label).decode(bytes)
  const { sum, letters } = score(text)
  return { label, text, letters, sum: sum - (handicap[label] ?? 0) }
}

const hasCapitals = (text: string): boolean => /[А-ЯЁ]/.test(text)

/** How likely a text is Russian: the letters' log frequencies, less what is wrong with the words' shapes. */
function score(text: string): { sum: number; letters: number } {
  let sum = 0
  let letters = 0
  for (const word of text.match(/[\u0080-\uffff]+/g) ?? []) {
    const lower = word.toLowerCase()
    letters += word.length
    for (const char of lower) sum += frequency.get(char) ?? alien
    sum += wrongCase * misshapen(word) + unspeakable * unspoken(lower)
  }
  return { sum, letters }
}

/** Letters that are capital or small against the rest of the word; the first may be a capital. */
function misshapen(word: string): number {
  const rest = word.slice(1)
  const capitals = Array.from(rest).filter((char) => char !== char.toLowerCase()).length
  const isCapital = word.charAt(0) !== word.charAt(0).toLowerCase()
  return Math.min(capitals, rest.length - capitals + (isCapital ? 0 : 1))
}

function unspoken(word: string): number {
  let count = 0
  let run = 0
  for (let at = 0; at < word.length; at++) {
    const isVowel = vowels.has(word.charAt(at))
    run = at > 0 && isVowel === vowels.has(word.charAt(at - 1)) ? run + 1 : 1
    if (run > (isVowel ? 3 : 4)) count++
  }
  return count
}

function decodeStrictly(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return undefined
  }
}

const join = (samples: readonly Uint8Array[]): Uint8Array =>
  Buffer.concat(samples.flatMap((sample) => [sample, Uint8Array.of(0x20)])).subarray(0, 64 * 1024)
