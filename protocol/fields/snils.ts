import { z } from 'zod'

/**
 * СНИЛС: eleven digits, the last two a check sum (trust.md, section 6; rule of the Pension Fund). It applies to numbers
 * above 001-001-998; earlier ones had none.
 */
export const Snils = z
  .string({ error: 'Укажите СНИЛС: 11 цифр.' })
  .overwrite((value) => value.replaceAll(/[\s-]/gu, ''))
  .regex(/^\d{11}$/, 'Укажите СНИЛС: 11 цифр, например 112-233-445 95.')
  .refine(isSnils, 'Проверьте СНИЛС: контрольное число не сходится.')
export type Snils = z.infer<typeof Snils>

export function isSnils(digits: string): boolean {
  if (!/^\d{11}$/.test(digits) || /^0+$/.test(digits)) return false
  if (Number(digits.slice(0, 9)) <= 1_001_998) return true
  return Number(digits.slice(9)) === checkSum(digits)
}

function checkSum(digits: string): number {
  let sum = 0
  for (let at = 0; at < 9; at++) sum += Number(digits[at]) * (9 - at)
  const rest = sum % 101
  return rest === 100 ? 0 : rest
}

/** As on the certificate: three groups of three digits, then the check digits, `112-233-445 95`. */
export const printSnils = (digits: string): string =>
  digits.replace(/^(\d{3})(\d{3})(\d{3})(\d{2})$/, '$1-$2-$3 $4')

/** What screens show. */
export const maskSnils = (digits: string): string =>
  digits.replace(/^\d{6}(\d{3})(\d{2})$/, '***-***-$1 $2')
