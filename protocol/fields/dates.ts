import { z } from 'zod'

const advice = 'Укажите дату в виде ДД.ММ.ГГГГ.'

/** A date of a form, kept as ISO 8601 and read as people write it. Forms say «20__ г.», so the century is fixed. */
export const FormDate = z
  .string({ error: advice })
  .overwrite((value) => value.trim().replace(/^(\d{2})\.(\d{2})\.(\d{4})$/, '$3-$2-$1'))
  .refine((value) => /^20\d{2}-/.test(value) && isDate(value), advice)

function isDate(value: string): boolean {
  const [, year, month, day] = /^(\d{4})-(\d{2})-(\d{2})$/.exec(value) ?? []
  const days = daysIn(Number(year), Number(month))
  return Number(day) >= 1 && Number(day) <= days
}

function daysIn(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28
  return month >= 1 && month <= 12 ? ([4, 6, 9, 11].includes(month) ? 30 : 31) : 0
}

export const Year = z
  .int({ error: 'Укажите год четырьмя цифрами.' })
  .min(1950, 'Укажите год не раньше 1950.')
  .max(2099, 'Укажите год четырьмя цифрами.')

/** ДД.ММ.ГГГГ. */
export const printDate = (date: string): string => date.split('-').toReversed().join('.')

/** The organizations of this region live seven hours ahead of UTC. */
const zoneMs = 7 * 3600 * 1000
const dayMs = 24 * 3600 * 1000

/** The day at a moment, in Кузбасс. */
export const dayOf = (now: number): string => new Date(now + zoneMs).toISOString().slice(0, 10)

/** The day `days` later. */
export const addDays = (date: string, days: number): string =>
  new Date(Date.parse(`${date}T00:00:00Z`) + days * dayMs).toISOString().slice(0, 10)
