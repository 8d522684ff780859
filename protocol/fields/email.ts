import { z } from 'zod'

const advice = 'Укажите адрес электронной почты, например priem@crb.kuzdrav.ru.'

/** An address within the lengths of RFC 5321; letters of any alphabet, the domain in lower case. */
export const Email = z
  .string({ error: advice })
  .overwrite(normal)
  .max(254, 'Сократите адрес: не больше 254 знаков.')
  .regex(/^[^\s@<>"(),;:\\]{1,64}@[^\s@<>"(),;:\\]{1,253}$/u, advice)
  .refine(hasDomain, advice)

function normal(value: string): string {
  const [local = '', ...domain] = value.normalize('NFC').trim().split('@')
  return [local, ...domain.map((one) => one.toLowerCase())].join('@')
}

const label = /^[\p{L}\p{N}](?:[\p{L}\p{N}-]{0,61}[\p{L}\p{N}])?$/u

function hasDomain(value: string): boolean {
  const labels = value.slice(value.lastIndexOf('@') + 1).split('.')
  return labels.length >= 2 && labels.every((one) => label.test(one))
}

const publicDomains =
  /@(?:mail|inbox|list|bk|yandex|ya|rambler)\.ru$|@(?:gmail|yandex|outlook)\.com$/

/** An official address at a public mail service belongs to a person, not to the organization. */
export const emailWarning = (email: string): string | undefined =>
  publicDomains.test(email)
    ? 'Это адрес общедоступной почты: укажите официальный адрес организации.'
    : undefined
