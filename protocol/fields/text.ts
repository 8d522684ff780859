import { z } from 'zod'

/** A field that somebody filled in wrongly: where, and what to do about it, in Russian. */
export const FieldError = z.strictObject({ path: z.string(), message: z.string() })
export type FieldError = z.infer<typeof FieldError>

// oxlint-disable-next-line no-control-regex -- these are what must not be in a form
const control = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029]/u

const normal = (value: string): string => value.normalize('NFC').replaceAll('\r\n', '\n').trim()

/** Plain text: NFC, no control characters but line breaks, no space around it. */
export const text = (max: number, min = 1) =>
  z
    .string({ error: fillIn })
    .overwrite(normal)
    .min(min, min <= 1 ? fillIn : `Напишите подробнее: не меньше ${min} знаков.`)
    .max(max, `Сократите текст: не больше ${max} знаков.`)
    .refine((value) => !control.test(value), 'Уберите служебные знаки: введите текст заново.')

export const fillIn = 'Заполните это поле.'

/** What a schema found, one sentence for each field; what the field's own rule does not say is said here. */
export function fieldErrors(error: z.ZodError): FieldError[] {
  const first = new Map<string, string>()
  for (const issue of error.issues) {
    const path = issue.path.map(String).join('.')
    const message = /[а-яё]/i.test(issue.message) ? issue.message : sentenceOf(issue)
    if (!first.has(path)) first.set(path, message)
  }
  return [...first].map(([path, message]) => ({ path, message }))
}

function sentenceOf(issue: z.core.$ZodIssue): string {
  if (issue.code === 'unrecognized_keys') return `Уберите лишнее: ${issue.keys.join(', ')}.`
  if (issue.code === 'invalid_value') return 'Выберите одно из предложенных значений.'
  if (issue.code === 'too_big') return `Сократите: не больше ${String(issue.maximum)}.`
  if (issue.code === 'too_small') return `Добавьте: не меньше ${String(issue.minimum)}.`
  return fillIn
}
