import { citoTexts } from './cito.ts'
import { enrolmentTexts } from './enrolment.ts'
import { formTexts } from './forms.ts'
import { organizationTexts } from './organizations.ts'
import { peopleTexts } from './people.ts'
import { shellTexts } from './shell.ts'

export type Language = 'ru' | 'en'
/** Russian, then English: a text without the other language does not compile. */
export type Pairs = Record<string, readonly [ru: string, en: string]>

/** No two of them have a key in common: the later one would take the place of the other, unseen. */
export const parts = [
  shellTexts,
  formTexts,
  organizationTexts,
  peopleTexts,
  citoTexts,
  enrolmentTexts,
] as const
export const dictionary = {
  ...shellTexts,
  ...formTexts,
  ...organizationTexts,
  ...peopleTexts,
  ...citoTexts,
  ...enrolmentTexts,
} satisfies Pairs
export type Key = keyof typeof dictionary

export type Texts = {
  language: Language
  t: (key: Key, values?: Record<string, string | number>) => string
  /** A moment: day and time. */
  moment: (epochMs: number) => string
  /** A moment's day. */
  day: (epochMs: number) => string
  /** An ISO date. */
  date: (iso: string) => string
}

const locales = { ru: 'ru-RU', en: 'en-GB' } as const
/** All organizations of the region, and the operator, have this time. */
const timeZone = 'Asia/Novokuznetsk'

export function createTexts(language: Language): Texts {
  const at = language === 'ru' ? 0 : 1
  const locale = locales[language]
  const moment = new Intl.DateTimeFormat(locale, {
    dateStyle: 'short',
    timeStyle: 'short',
    timeZone,
  })
  const day = new Intl.DateTimeFormat(locale, { dateStyle: 'short', timeZone })
  const date = new Intl.DateTimeFormat(locale, { dateStyle: 'short', timeZone: 'UTC' })
  return {
    language,
    t: (key, values = {}) =>
      dictionary[key][at].replaceAll(/\{(\w+)\}/g, (whole, name: string) =>
        String(values[name] ?? whole),
      ),
    moment: (epochMs) => moment.format(epochMs),
    day: (epochMs) => day.format(epochMs),
    date: (iso) => (/^\d{4}-\d\d-\d\d$/.test(iso) ? date.format(Date.parse(iso)) : iso),
  }
}
