import { z } from 'zod'
import { FormDate } from './fields/dates.ts'
import { Email } from './fields/email.ts'
import { FullName } from './fields/full-name.ts'
import { Phone } from './fields/phone.ts'
import { text } from './fields/text.ts'
import { Reason } from './form.ts'
import { OrganizationOid, Sha256, Ulid } from './ids.ts'
import { createAdvance, HistoryEntry, operators } from './life-cycle.ts'
import type { Rules } from './life-cycle.ts'

/** Forms № 2 and № 3 of the order, and the letters for which the order has no form. */

const organizationName = text(500)

export const NoticeContent = z.discriminatedUnion('kind', [
  /** № 2: login names only. */
  z.strictObject({
    kind: z.literal('access_notice'),
    organizationName,
    accounts: z.array(z.strictObject({ name: text(200), login: text(64) })).min(1),
  }),
  /** № 3. */
  z.strictObject({
    kind: z.literal('refusal_notice'),
    organizationName,
    reasons: z.array(Reason).min(1),
  }),
  /** For form № 4. */
  z.strictObject({
    kind: z.literal('device_receipt'),
    organizationName,
    formNumber: text(64),
    startDate: FormDate,
    devices: z.array(z.strictObject({ model: text(200), serialNumber: text(64) })).min(1),
  }),
  /** For form № 5, to the holder and to the grantee. */
  z.strictObject({
    kind: z.literal('grant_notice'),
    organizationName,
    formNumber: text(64),
    holderName: organizationName,
    granteeName: organizationName,
    accounts: z.array(z.strictObject({ name: text(200), login: text(128) })).min(1),
    until: FormDate,
  }),
  z.strictObject({
    kind: z.literal('restriction_notice'),
    organizationName,
    scope: z.enum(['cami', 'proxy', 'both']),
    level: z.enum(['no_login', 'read_only', 'no_export', 'no_consult']),
    clause: text(100),
    reason: text(2000),
    remedy: text(2000),
    start: FormDate,
  }),
  z.strictObject({
    kind: z.literal('restoration_notice'),
    organizationName,
    restrictionNumber: text(64),
    clause: text(100),
    liftedOn: FormDate,
  }),
])
export type NoticeContent = z.infer<typeof NoticeContent>
export type NoticeKind = NoticeContent['kind']

export const noticeStates = [
  'generated',
  'issued',
  'sent',
  'delivered',
  'bounced',
  'acknowledged',
] as const

export const Notice = z.strictObject({
  id: Ulid,
  status: z.enum(noticeStates),
  /** Given when it is issued; from then on its PDF never changes. */
  number: text(64).exactOptional(),
  issuedDate: FormDate.exactOptional(),
  sha256: Sha256.exactOptional(),
  /** The form or restriction it answers. */
  source: Ulid,
  organization: OrganizationOid.exactOptional(),
  /** Absent: handed over on paper. */
  recipient: Email.exactOptional(),
  issuerName: FullName,
  issuerPhone: Phone,
  content: NoticeContent,
  createdAt: z.int(),
  history: z.array(HistoryEntry),
})
export type Notice = z.infer<typeof Notice>

export const NoticeAction = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('issue'), number: text(64), date: FormDate }),
  z.strictObject({ type: z.literal('seal'), sha256: Sha256 }),
  z.strictObject({ type: z.literal('send'), channel: text(100) }),
  z.strictObject({ type: z.literal('deliver') }),
  z.strictObject({ type: z.literal('bounce'), reason: text(500) }),
  z.strictObject({ type: z.literal('acknowledge') }),
])
export type NoticeAction = z.infer<typeof NoticeAction>

export type NoticeEffect = { type: 'operator_task' }

const rules: Rules<Notice, NoticeAction, null, NoticeEffect> = {
  issue: {
    from: ['generated'],
    to: 'issued',
    by: operators,
    change: (_, { number, date }) => ({ number, issuedDate: date }),
  },
  /** The digest of the PDF that carries the number. */
  seal: {
    from: ['issued'],
    to: 'issued',
    by: ['system'],
    change: (_, { sha256 }) => ({ sha256 }),
  },
  send: {
    from: ['issued', 'bounced'],
    to: 'sent',
    by: operators,
    note: ({ channel }) => channel,
  },
  deliver: { from: ['sent'], to: 'delivered', by: [...operators, 'system'] },
  bounce: {
    from: ['sent'],
    to: 'bounced',
    by: [...operators, 'system'],
    note: ({ reason }) => reason,
    effects: () => [{ type: 'operator_task' }],
  },
  acknowledge: {
    from: ['issued', 'sent', 'delivered', 'bounced'],
    to: 'acknowledged',
    by: ['mo_admin', 'head_of_mo', 'system'],
  },
}

export const terminalNoticeStates = ['acknowledged'] as const

/** The life cycle of a notice (requirements, 2.2). */
export const advanceNotice = createAdvance(
  rules,
  (form, actor) =>
    operators.includes(actor.role) ||
    actor.role === 'system' ||
    actor.organization === form.organization,
)
