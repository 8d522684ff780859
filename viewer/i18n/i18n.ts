import { en } from './en.ts'
import { type Dictionary, ru } from './ru.ts'

export type Key = keyof Dictionary
export type Language = 'ru' | 'en'
export const dictionaries: { [L in Language]: Dictionary } = { ru, en }

/** What is counted, with one text for each plural category of Russian. */
export type Countable = 'images' | 'series' | 'years' | 'slices' | 'frames' | 'recoveryCodes'

/** Texts, dates and numbers of one language. */
export type Translation = {
  language: Language
  t: (key: Key, values?: Record<string, string | number>) => string
  count: (what: Countable, n: number) => string
  /** A DICOM date `YYYYMMDD`; empty when it is not one. */
  date: (dicomDate: string) => string
  /** A DICOM time `HHMMSS`, hours and minutes; empty when it is not one. */
  time: (dicomTime: string) => string
  clock: (epochMs: number) => string
  number: (value: number, digits?: number) => string
  bytes: (value: number) => string
  /** How long ago, in words. */
  ago: (ageMs: number) => string
  /** Whole years from one DICOM date to another. */
  age: (birthDate: string, at: string) => string
}

const locales: { [L in Language]: string } = { ru: 'ru-RU', en: 'en-GB' }
const pluralSuffix: { [category: string]: 'One' | 'Few' | 'Many' | undefined } = {
  one: 'One',
  few: 'Few',
  many: 'Many',
}

export function createTranslation(language: Language): Translation {
  const dictionary = dictionaries[language]
  const locale = locales[language]
  const plural = new Intl.PluralRules(locale)
  const day = new Intl.DateTimeFormat(locale, { dateStyle: 'short', timeZone: 'UTC' })
  const clock = new Intl.DateTimeFormat(locale, { hour: '2-digit', minute: '2-digit' })
  const relative = new Intl.RelativeTimeFormat(locale, { numeric: 'always' })

  const t: Translation['t'] = (key, values) => filled(dictionary[key], values)
  const number: Translation['number'] = (value, digits = 0) =>
    new Intl.NumberFormat(locale, { maximumFractionDigits: digits }).format(value)
  const count: Translation['count'] = (what, n) =>
    t(`${what}${pluralSuffix[plural.select(n)] ?? 'Other'}`, { n: number(n) })

  return {
    language,
    t,
    count,
    number,
    date(dicomDate) {
      const at = dayOf(dicomDate)
      return at === undefined ? '' : day.format(at)
    },
    time: (dicomTime) =>
      /^\d{4}/.test(dicomTime) ? `${dicomTime.slice(0, 2)}:${dicomTime.slice(2, 4)}` : '',
    clock: (epochMs) => clock.format(epochMs),
    bytes(value) {
      const units = language === 'ru' ? ['Б', 'КБ', 'МБ', 'ГБ'] : ['B', 'KB', 'MB', 'GB']
      const power = Math.min(Math.floor(Math.log2(Math.max(value, 1)) / 10), units.length - 1)
      return `${number(value / 1024 ** power, power > 1 ? 1 : 0)} ${units[power] ?? ''}`
    },
    ago(ageMs) {
      const minutes = Math.floor(ageMs / 60_000)
      if (minutes < 1) return t('justNow')
      if (minutes < 60) return relative.format(-minutes, 'minute')
      if (minutes < 48 * 60) return relative.format(-Math.floor(minutes / 60), 'hour')
      return relative.format(-Math.floor(minutes / 1440), 'day')
    },
    age(birthDate, at) {
      const years = yearsBetween(birthDate, at)
      return years === undefined ? '' : count('years', years)
    },
  }
}

/** A text with its `{values}` put in. */
export const filled = (text: string, values: Record<string, string | number> = {}): string =>
  text.replaceAll(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole))

function dayOf(dicomDate: string): Date | undefined {
  const match = /^(\d{4})(\d{2})(\d{2})$/.exec(dicomDate)
  if (match === null) return undefined
  const [year, month, date] = [Number(match[1]), Number(match[2]), Number(match[3])]
  const at = new Date(Date.UTC(year, month - 1, date))
  // 31 February is no day, and must not become 3 March.
  return at.getUTCMonth() === month - 1 && at.getUTCDate() === date ? at : undefined
}

export function yearsBetween(birthDate: string, at: string): number | undefined {
  const born = dayOf(birthDate)
  const then = dayOf(at)
  if (born === undefined || then === undefined || then < born) return undefined
  const birthdayPassed =
    then.getUTCMonth() * 32 + then.getUTCDate() >= born.getUTCMonth() * 32 + born.getUTCDate()
  return then.getUTCFullYear() - born.getUTCFullYear() - (birthdayPassed ? 0 : 1)
}

export function dicomDateOf(epochMs: number): string {
  const at = new Date(epochMs)
  const two = (value: number) => String(value).padStart(2, '0')
  return `${at.getFullYear()}${two(at.getMonth() + 1)}${two(at.getDate())}`
}
