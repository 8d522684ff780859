import type { FullName } from '#protocol/fields/full-name.ts'

const latin: Record<string, string> = {
  а: 'a',
  б: 'b',
  в: 'v',
  г: 'g',
  д: 'd',
  е: 'e',
  ё: 'e',
  ж: 'zh',
  з: 'z',
  и: 'i',
  й: 'y',
  к: 'k',
  л: 'l',
  м: 'm',
  н: 'n',
  о: 'o',
  п: 'p',
  р: 'r',
  с: 's',
  т: 't',
  у: 'u',
  ф: 'f',
  х: 'kh',
  ц: 'ts',
  ч: 'ch',
  ш: 'sh',
  щ: 'shch',
  ъ: '',
  ы: 'y',
  ь: '',
  э: 'e',
  ю: 'yu',
  я: 'ya',
}

const romanize = (value: string): string =>
  Array.from(value.toLowerCase(), (letter) => latin[letter] ?? letter)
    .join('')
    .replaceAll(/[^a-z0-9]/g, '')

/** «Иванов Пётр Сергеевич» → `ivanov.ps`, then `ivanov.ps2`: a person's own login, never a shared one. */
export function freeLogin(
  { last, first, middle = '' }: FullName,
  isTaken: (login: string) => boolean,
): string {
  const initials = [first, middle].map((one) => romanize(one).slice(0, 1)).join('')
  const base = `${romanize(last) || 'user'}.${initials || 'x'}`.slice(0, 50)
  for (let number = 1; ; number++) {
    const login = number === 1 ? base : `${base}${number}`
    if (!isTaken(login)) return login
  }
}
