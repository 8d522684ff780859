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
/** What one capital after a small letter costs: names are written `Иванов` or `ИВАНОВ`, never `иВАНОВ`. */
const wrongCase = -3
/** Mean score of a letter that is enough, and how far the next candidate must be behind. */
const enough = 0.4
const margin = 0.6
const lettersMin = 4

/** The encoding that clearly holds Cyrillic in these bytes, or nothing. */
export function detectCyrillic(samples: readonly Uint8Array[]): string | undefined {
  const bytes = join(samples)
  if (!bytes.some((byte) => byte >= 0x80)) return undefined
  const utf8 = decodeStrictly(bytes)
  if (utf8 !== undefined) return /\p{Script=Cyrillic}/u.test(utf8) ? 'utf-8' : undefined
  if (!hasCyrillicShape(bytes)) return undefined
  const scored = candidates
    .map((label) => ({ label, score: score(new TextDecoder(label).decode(bytes)) }))
    .toSorted((one, other) => other.score - one.score)
  const [best, next] = scored
  if (best === undefined || next === undefined || best.score < enough) return undefined
  return best.score - next.score >= margin ? best.label : undefined
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

/** Mean of the letters' log frequencies, minus what the case pattern costs. */
function score(text: string): number {
  let sum = 0
  let letters = 0
  for (const word of text.match(/[\u0080-\uffff]+/g) ?? []) {
    for (let at = 0; at < word.length; at++) {
      const char = word.charAt(at)
      const lower = char.toLowerCase()
      letters++
      sum += frequency.get(lower) ?? alien
      const before = word.charAt(at - 1)
      if (at > 0 && char !== lower && before === before.toLowerCase()) sum += wrongCase
    }
  }
  return letters === 0 ? alien : sum / letters
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
