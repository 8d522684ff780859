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
  return text
    .normalize('NFKC')
    .toLowerCase()
    .replaceAll(/[авеёкмнорстух]/g, (letter) => lookAlikes[letter] ?? letter)
    .replaceAll(/[\s^\p{Cc}]+/gu, ' ')
    .trim()
}

/** The form in which identifiers are compared when one patient is told from another. */
export const foldIdentifier = (text: string): string => text.trim().toLowerCase()
