import { z } from 'zod'

/** One part of a name: «Салтыков-Щедрин», «О'Коннор», «Оглы». */
const part = (what: string) =>
  z
    .string({ error: `Укажите ${what} полностью.` })
    .overwrite(clean)
    .regex(
      /^[А-ЯЁA-Z][А-ЯЁа-яёA-Za-z'’\- ]{1,63}$/u,
      `Укажите ${what} полностью, с заглавной буквы, без сокращений и цифр.`,
    )

function clean(value: string): string {
  return value.normalize('NFC').replaceAll(/\s+/gu, ' ').trim()
}

export type FullName = { last: string; first: string; middle?: string }

/** ФИО полностью; the patronymic «при наличии». A single text is split at its spaces. */
export const FullName: z.ZodType<FullName> = z.preprocess(
  (value) => (typeof value === 'string' ? (parseFullName(value) ?? value) : value),
  z.strictObject(
    { last: part('фамилию'), first: part('имя'), middle: part('отчество').exactOptional() },
    { error: 'Укажите фамилию, имя и отчество полностью, например «Иванов Иван Иванович».' },
  ),
)

/** «Фамилия Имя Отчество»; what stands after the second name belongs to the patronymic («Алиев Али Вагиф оглы»). */
export function parseFullName(value: string): FullName | undefined {
  const [last, first, ...rest] = clean(value).split(' ')
  if (last === undefined || first === undefined || last === '') return undefined
  return { last, first, ...(rest.length > 0 && { middle: rest.join(' ') }) }
}

/** As documents print it: «Иванов Иван Иванович». */
export const printName = ({ last, first, middle }: FullName): string =>
  [last, first, middle].filter((one) => one !== undefined).join(' ')

/** Names are compared without regard to case, ё and the kind of apostrophe. */
export const foldName = (name: FullName | string): string =>
  clean(typeof name === 'string' ? name : printName(name))
    .toLowerCase()
    .replaceAll('ё', 'е')
    .replaceAll('’', "'")

/** Latin letters that look like Cyrillic ones among them: nobody finds such a name again. */
export function nameWarning(name: FullName): string | undefined {
  const printed = printName(name)
  const isMixed = /[А-ЯЁа-яё]/u.test(printed) && /[A-Za-z]/.test(printed)
  return isMixed ? 'В имени смешаны русские и латинские буквы: проверьте раскладку.' : undefined
}

/** Расшифровка подписи: in full, or «И.О. Фамилия». */
export const SignatureName = z
  .string({ error: 'Укажите расшифровку подписи: «И.О. Фамилия» или ФИО полностью.' })
  .overwrite(clean)
  .regex(
    /^(?:[А-ЯЁA-Z]\. ?(?:[А-ЯЁA-Z]\. ?)?)?[А-ЯЁA-Z][А-ЯЁа-яёA-Za-z'’\- ]{1,150}$/u,
    'Укажите расшифровку подписи: «И.О. Фамилия» или ФИО полностью.',
  )
