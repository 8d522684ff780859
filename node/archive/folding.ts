/** Capital Cyrillic letters that look like Latin ones; modalities mix both within one name. */
const lookAlikes: Record<string, string> = {
  а: 'a',
  в: 'b',
  е: 'e',
  ё: 'e',
  к: 'k',
  м: 'm',
  н: 'h',
  о: 'o',
  р: 'p',
  с: 'c',
  т: 't',
  у: 'y',
  х: 'x',
}

/**
 * The form in which names are compared: case, ё/е, Latin look-alikes and the way components are parted make no
 * difference (`Иванов^Пётр`, `ИВАНОВ ПЕТР` and a name whose `а` is Latin are one name). Wildcards stay.
 */
export function foldName(text: string): string {
  return plain(text).replaceAll(/[авеёкмнорстух]/g, (letter) => lookAlikes[letter] ?? letter)
}

const plain = (text: string): string =>
  text
    .normalize('NFKC')
    .toLowerCase()
    .replaceAll(/[\s^\p{Cc}]+/gu, ' ')
    .trim()

const latin: Record<string, string> = {
  ...Object.fromEntries(
    Array.from('абвгдезийклмнопрстуфыэ', (one, at) => [one, 'abvgdeziyklmnoprstufye'[at] ?? '']),
  ),
  ё: 'yo',
  ж: 'zh',
  х: 'kh',
  ц: 'ts',
  ч: 'ch',
  ш: 'sh',
  щ: 'shch',
  ъ: '',
  ь: '',
  ю: 'yu',
  я: 'ya',
}
const cyrillic = Object.fromEntries(
  Object.entries(lookAlikes).map(([letter, look]) => [look, letter]),
)

/** Spellings of one sound, the longest first; each becomes the letter that stands for it here. */
const spellings: readonly [RegExp, string][] = [
  [/shch|sch|sh/g, 'w'],
  [/tch|ch/g, 'q'],
  [/zh/g, 'j~'],
  [/kh/g, 'h'],
  [/tz|ts/g, 'c'],
  [/ck/g, 'k'],
  [/ph/g, 'f'],
  [/x/g, 'ks'],
  [/[iy]{2,}(?=[aeou])/g, 'i'],
  [/[yij]u/g, 'u'],
  [/[yij]a/g, 'a'],
  [/[yij][oe]/g, 'e'],
  [/[iy]j(?!~)/g, 'i'],
  [/j~/g, 'j'],
  [/['’`ʹ]/g, ''],
  [/[yi]+/g, 'i'],
]

/**
 * The form in which names of two alphabets are compared: `ЩЕРБАКОВ`, `Shcherbakov` and `Scherbakov` are one, as are
 * `Юлия`, `Yuliya` and `Julia`. Spellings that are near each other fall together too. Wildcards stay.
 */
export function soundName(text: string): string {
  const words = plain(text).split(' ')
  return words.map(soundWord).join(' ')
}

function soundWord(word: string): string {
  const isCyrillic = /[а-яё]/.test(word)
  const letters = isCyrillic ? Array.from(word, (char) => cyrillic[char] ?? char) : word
  let sound = isCyrillic ? Array.from(letters, (char) => latin[char] ?? char).join('') : word
  for (const [pattern, one] of spellings) sound = sound.replaceAll(pattern, one)
  return sound.replaceAll(/([a-z])\1/g, '$1')
}

/** Whether two names are of different alphabets, so that only their sound can be compared. */
export const differInScript = (one: string, other: string): boolean =>
  /[а-яё]/i.test(one) !== /[а-яё]/i.test(other)

/** The form in which identifiers are compared when one patient is told from another. */
export const foldIdentifier = (text: string): string => text.trim().toLowerCase()
