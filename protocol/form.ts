import { z } from 'zod'
import { FormDate } from './fields/dates.ts'
import { fieldErrors, FieldError, text } from './fields/text.ts'
import { Sha256, Ulid } from './ids.ts'
import { HistoryEntry, refuse } from './life-cycle.ts'
import type { Refusal } from './life-cycle.ts'

/** Forms № 1, № 4 and № 5 of the order; № 2 and № 3 are notices. */
export const FormKind = z.enum(['enrollment', 'device_notice', 'access_request'])
export type FormKind = z.infer<typeof FormKind>

/** A draft is kept as it was typed; it is checked when it is submitted. */
export const Draft = z.record(z.string().max(64), z.unknown())
export type Draft = z.infer<typeof Draft>

export const Attachment = z.strictObject({
  sha256: Sha256,
  name: text(200),
  type: z.enum(['application/pdf', 'image/jpeg', 'application/pkcs7-signature']),
  bytes: z.int().min(1),
  at: z.int(),
})
export type Attachment = z.infer<typeof Attachment>

export const Comment = z.strictObject({ field: z.string().max(128), comment: text(2000) })
export type Comment = z.infer<typeof Comment>

/** Why a form is refused (№ 3): a condition of the Положение, and what is wrong in words. */
export const Reason = z.strictObject({ clause: text(64), text: text(2000, 10) })
export type Reason = z.infer<typeof Reason>

/** What a refusal may name; the list is a help, the clause is a text. */
export const clauses: Record<string, string> = {
  'J-1': 'раздел 7: не назначены ответственные лица',
  'J-2': 'раздел 7: сведения об ответственных лицах или организации неполны (приложение № 1)',
  'J-3': 'раздел 7: нет уведомления об аппаратах (приложение № 4)',
  'J-4': 'раздел 7: нет сведений о сторонней медицинской организации (приложение № 5)',
  'J-5': 'раздел 8: не выполнены требования информационной безопасности',
  'J-6': 'раздел 7: не проведён инструктаж пользователей',
  '8.2.1': 'пункт 8.2.1: организационные меры',
  '8.2.2': 'пункт 8.2.2: физические меры',
  '8.2.3': 'пункт 8.2.3: программные и технические средства защиты',
  requisites: 'неверные реквизиты организации',
  oid: 'OID организации не найден в ФРМО',
  signature: 'нет подписи руководителя',
}

/** The envelope of every form. Times are milliseconds since 1970. */
export const formFields = {
  id: Ulid,
  version: z.int().min(1),
  /** Рег. №, unique in its year and kind. */
  number: text(64).exactOptional(),
  incoming: z.strictObject({ no: text(50), date: FormDate }).exactOptional(),
  createdBy: z.string().max(128),
  createdAt: z.int(),
  submittedAt: z.int().exactOptional(),
  registeredAt: z.int().exactOptional(),
  decidedBy: z.string().max(128).exactOptional(),
  decidedAt: z.int().exactOptional(),
  /** The refused form that this one repeats. */
  previousId: Ulid.exactOptional(),
  content: Draft,
  comments: z.array(Comment).max(100),
  reasons: z.array(Reason).max(50),
  attachments: z.array(Attachment).max(50),
  history: z.array(HistoryEntry),
}

type Parsed<T> = { ok: true; content: T } | Refusal

/** The draft as the form's schema reads it, or every field that is wrong. */
export function readContent<T>(
  schema: z.ZodType<T>,
  content: Draft,
  check: (content: T) => FieldError[],
): Parsed<T> {
  const parsed = schema.safeParse(content)
  if (!parsed.success) return refuse('invalid', fieldErrors(parsed.error))
  const errors = check(parsed.data)
  return errors.length === 0 ? { ok: true, content: parsed.data } : refuse('invalid', errors)
}

/** A form before anybody has done anything with it. */
export const emptyForm = () => ({
  status: 'draft' as const,
  version: 1,
  comments: [],
  reasons: [],
  attachments: [],
  history: [],
})

/** Actions that a form shares with others. */
export const formActions = {
  edit: z.strictObject({ type: z.literal('edit'), content: Draft }),
  attach: z.strictObject({ type: z.literal('attach'), attachment: Attachment }),
  submit: z.strictObject({ type: z.literal('submit') }),
  register: z.strictObject({
    type: z.literal('register'),
    number: text(64),
    incoming: z.strictObject({ no: text(50), date: FormDate }),
  }),
  return_for_correction: z.strictObject({
    type: z.literal('return_for_correction'),
    comments: z.array(Comment).max(100),
  }),
  resubmit: z.strictObject({ type: z.literal('resubmit') }),
  withdraw: z.strictObject({ type: z.literal('withdraw') }),
  refuse: z.strictObject({ type: z.literal('refuse'), reasons: z.array(Reason).max(50) }),
}
