import { z } from 'zod'
import { addDays, dayOf, FormDate } from './fields/dates.ts'
import { Email } from './fields/email.ts'
import { FrmoOid } from './fields/frmo-oid.ts'
import { FullName } from './fields/full-name.ts'
import { Phone } from './fields/phone.ts'
import { Confirmed, Signature, Stamp } from './fields/signature.ts'
import { text, type FieldError } from './fields/text.ts'
import type { Draft } from './form.ts'

/** What stands in form № 5, and what is added to the paper: dates, equipment, modalities, referred studies only. */
export const RequestedUser = z.strictObject({
  fullName: FullName,
  position: text(200),
  department: text(200),
  room: text(50),
  email: Email,
  phone: Phone,
})
export type RequestedUser = z.infer<typeof RequestedUser>

export const AccessRequestContent = z.strictObject({
  orgStamp: Stamp,
  users: z
    .array(RequestedUser, { error: 'Укажите пользователей.' })
    .min(1, 'Укажите хотя бы одного пользователя.')
    .max(100, 'В одной заявке может быть не больше 100 пользователей.'),
  granteeOrg: FrmoOid,
  holderOrg: FrmoOid,
  purpose: z.literal('interpretation').default('interpretation'),
  confirmed: Confirmed,
  documentDate: FormDate,
  contactName: FullName,
  contactPhone: Phone,
  signature: Signature.exactOptional(),
  validFrom: FormDate.exactOptional(),
  validUntil: FormDate.exactOptional(),
  deviceIds: z.array(z.string().min(1).max(64)).min(1).max(100).exactOptional(),
  modalities: z
    .array(z.string().regex(/^[A-Z0-9]{2,16}$/, 'Укажите код модальности, например CT.'))
    .min(1)
    .max(64)
    .exactOptional(),
  referredOnly: z.boolean().exactOptional(),
})
export type AccessRequestContent = z.infer<typeof AccessRequestContent>

export function checkAccessRequest(
  content: AccessRequestContent,
  holder: string,
  now: number,
): FieldError[] {
  const errors: FieldError[] = []
  const add = (path: string, message: string) => errors.push({ path, message })
  const { granteeOrg, holderOrg, documentDate, validFrom, validUntil, users } = content
  if (holderOrg !== holder) add('holderOrg', 'Заявку подаёт организация, чьи это исследования.')
  if (String(granteeOrg) === String(holderOrg)) {
    add('granteeOrg', 'Укажите другую организацию: доступ даётся сторонней МО.')
  }
  if (documentDate > addDays(dayOf(now), 1)) {
    add('documentDate', 'Дата документа не может быть в будущем.')
  }
  if (validUntil !== undefined && validUntil <= (validFrom ?? documentDate)) {
    add('validUntil', 'Укажите дату окончания позже даты начала.')
  }
  const seen = new Set<string>()
  for (const [row, { email }] of users.entries()) {
    if (seen.has(email)) add(`users.${row}.email`, 'Укажите адрес, которого нет в других строках.')
    seen.add(email)
  }
  return errors
}

export const readAccessRequest = (form: { content: Draft }): AccessRequestContent =>
  AccessRequestContent.parse(form.content)
