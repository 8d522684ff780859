import { z } from 'zod'

const advice = 'Укажите телефон с кодом города, например +7 (3842) 36-00-00 или 8 900 000-00-00.'

export type Phone = { number: string; ext?: string }

/** E.164 of Russia and, apart from it, the extension («доб. 123»). A text is read as people write it. */
export const Phone: z.ZodType<Phone> = z.preprocess(
  (value) => (typeof value === 'string' ? (parsePhone(value) ?? value) : value),
  z.strictObject(
    {
      number: z.string().regex(/^\+7\d{10}$/, advice),
      ext: z
        .string()
        .regex(/^\d{1,6}$/, 'Укажите добавочный номер цифрами.')
        .exactOptional(),
    },
    { error: advice },
  ),
)

export function parsePhone(value: string): Phone | undefined {
  const found = /^([+\d\s().‑-]+?)(?:[,;]?\s*(?:доб\.?|ext\.?|вн\.?)\s*(\d{1,6}))?$/iu.exec(
    value.trim(),
  )
  const digits = found?.[1]?.replaceAll(/\D/g, '') ?? ''
  const national = /^[78]?(\d{10})$/.exec(digits)?.[1]
  if (national === undefined || (digits.length === 10 && value.includes('+'))) return undefined
  const ext = found?.[2]
  return { number: `+7${national}`, ...(ext !== undefined && { ext }) }
}

/** «+7 (384) 236-00-00, доб. 123»: as grouped for mobile numbers; the length of an area code is not known. */
export function printPhone({ number, ext }: Phone): string {
  const plain = number.replace(/^\+7(\d{3})(\d{3})(\d{2})(\d{2})$/, '+7 $1 $2-$3-$4')
  return ext === undefined ? plain : `${plain}, доб. ${ext}`
}
