import { z } from 'zod'
import { Sha256 } from '../ids.ts'
import { FormDate } from './dates.ts'
import { text } from './text.ts'

/** Штамп организации: the letterhead from the organization's card, or a scan of it. */
export const Stamp = z.discriminatedUnion(
  'kind',
  [
    z.strictObject({
      kind: z.literal('card'),
      name: text(500),
      address: text(500),
      ogrn: z
        .string()
        .regex(/^\d{13}(\d{2})?$/, 'Укажите ОГРН: 13 цифр.')
        .exactOptional(),
      inn: z
        .string()
        .regex(/^\d{10}(\d{2})?$/, 'Укажите ИНН: 10 цифр.')
        .exactOptional(),
      kpp: z
        .string()
        .regex(/^\d{9}$/, 'Укажите КПП: 9 цифр.')
        .exactOptional(),
      outgoingNo: text(50).exactOptional(),
      outgoingDate: FormDate.exactOptional(),
    }),
    z.strictObject({ kind: z.literal('scan'), attachment: Sha256 }),
  ],
  { error: 'Заполните штамп организации или приложите его скан.' },
)
export type Stamp = z.infer<typeof Stamp>

/** The signed paper as a scan, a detached УКЭП over the form's PDF, or the original in the operator's hands. */
export const Signature = z.discriminatedUnion(
  'kind',
  [
    z.strictObject({ kind: z.literal('scan'), attachment: Sha256 }),
    z.strictObject({ kind: z.literal('ukep'), attachment: Sha256 }),
    z.strictObject({ kind: z.literal('paper'), incomingNo: text(50), date: FormDate }),
  ],
  { error: 'Приложите скан подписанной формы, УКЭП или отметьте получение оригинала.' },
)
export type Signature = z.infer<typeof Signature>

/** The sentence of forms № 1 and № 5, word for word. */
export const confirmation =
  'Подтверждаю выполнение требований Положения и ознакомлении пользователей с требованиями к обеспечению безопасности информации и необходимости соблюдения режима конфиденциальности.'

export const Confirmed = z.literal(true, {
  error: 'Подтвердите выполнение требований Положения: без этого форма не принимается.',
})
