import { z } from 'zod'
import { addDays, dayOf, FormDate } from './fields/dates.ts'
import { Email, emailWarning } from './fields/email.ts'
import { FrmoOid, oidWarning } from './fields/frmo-oid.ts'
import { foldName, FullName, nameWarning, SignatureName } from './fields/full-name.ts'
import { Phone } from './fields/phone.ts'
import { Confirmed, Signature, Stamp } from './fields/signature.ts'
import { Snils } from './fields/snils.ts'
import { text, type FieldError } from './fields/text.ts'
import { emptyForm, formActions, formFields, readContent } from './form.ts'
import { createAdvance, operators, refuse } from './life-cycle.ts'
import type { Context, Refusal, Rules } from './life-cycle.ts'

/** Form № 1: an organization asks for access; what it starts ends with its administrators' accounts (№ 2) or № 3. */

export const Person = z.strictObject({
  responsibility: z.enum(['mo_admin', 'consult_organizer', 'consult_performer']),
  fullName: FullName,
  snils: Snils,
  position: text(200),
  phone: Phone,
  email: Email,
})
export type Person = z.infer<typeof Person>

export const EnrollmentContent = z.strictObject({
  orgStamp: Stamp,
  persons: z
    .array(Person, { error: 'Укажите ответственных лиц.' })
    .min(1, 'Укажите ответственных лиц.')
    .max(20, 'В одной заявке может быть не больше 20 человек.'),
  organization: z.strictObject(
    {
      fullName: text(500, 5),
      address: text(500),
      phone: Phone,
      email: Email,
      frmoOid: FrmoOid,
    },
    { error: 'Заполните сведения об организации.' },
  ),
  confirmed: Confirmed,
  notifyEmail: Email,
  documentDate: FormDate,
  headSignature: Signature.exactOptional(),
  headName: SignatureName,
  requestedScope: z
    .array(z.enum(['proxy', 'cami']), { error: 'Отметьте, к чему нужен доступ.' })
    .min(1, 'Отметьте, к чему нужен доступ: PACS Proxy, ЦАМИ или к обоим.')
    .max(2),
})
export type EnrollmentContent = z.infer<typeof EnrollmentContent>

export const enrollmentStates = [
  'draft',
  'submitted',
  'under_review',
  'needs_correction',
  'approved',
  'provisioned',
  'completed',
  'refused',
  'withdrawn',
] as const

export const Enrollment = z.strictObject({
  ...formFields,
  kind: z.literal('enrollment'),
  status: z.enum(enrollmentStates),
  /** Logins made at provisioning, by person. */
  logins: z.array(z.strictObject({ row: z.int().min(1), login: z.string().max(64) })).max(20),
})
export type Enrollment = z.infer<typeof Enrollment>

export const EnrollmentAction = z.discriminatedUnion('type', [
  formActions.edit,
  formActions.attach,
  formActions.submit,
  formActions.register,
  z.strictObject({ type: z.literal('receive_signature'), signature: Signature }),
  formActions.return_for_correction,
  z.strictObject({ type: z.literal('approve') }),
  formActions.refuse,
  formActions.resubmit,
  formActions.withdraw,
  z.strictObject({ type: z.literal('provision'), logins: Enrollment.shape.logins }),
  z.strictObject({ type: z.literal('issue_notice') }),
])
export type EnrollmentAction = z.infer<typeof EnrollmentAction>

/** What the guards must know of the world. */
export type EnrollmentFacts = {
  /** Another organization's card, or another form that is being worked on, has this OID. */
  oidTaken: boolean
  /** Persons who have an account that this form cannot give them: of another organization, or under another СНИЛС. */
  takenPersons: readonly { row: number; field: 'snils' | 'email' }[]
}

export type EnrollmentEffect =
  | { type: 'confirm_email' | 'acknowledge' | 'ask_for_correction' | 'provision' }
  | { type: 'issue_refusal_notice' | 'issue_access_notice' }

type Given = Context<EnrollmentFacts>

/** What the schema cannot know: days, and rows that contradict each other. */
export function checkEnrollment(content: EnrollmentContent, now: number): FieldError[] {
  const errors: FieldError[] = []
  const { persons, documentDate } = content
  if (!persons.some(({ responsibility }) => responsibility === 'mo_admin')) {
    errors.push({ path: 'persons', message: 'Укажите хотя бы одного администратора МО.' })
  }
  const seen = new Set<string>()
  for (const [row, { snils, email }] of persons.entries()) {
    if (seen.has(snils)) {
      errors.push({
        path: `persons.${row}.snils`,
        message: 'Этот СНИЛС уже указан в другой строке.',
      })
    }
    if (seen.has(email)) {
      errors.push({
        path: `persons.${row}.email`,
        message: 'Укажите адрес, которого нет в других строках.',
      })
    }
    seen.add(snils).add(email)
  }
  if (documentDate > addDays(dayOf(now), 1)) {
    errors.push({ path: 'documentDate', message: 'Дата документа не может быть в будущем.' })
  }
  return errors
}

/** What is possible and unusual; a form with warnings may be submitted. */
export function enrollmentWarnings(content: EnrollmentContent): FieldError[] {
  const { organization, persons, notifyEmail } = content
  const all: [string, string | undefined][] = [
    ['organization.frmoOid', oidWarning(organization.frmoOid)],
    ['organization.email', emailWarning(organization.email)],
    ['notifyEmail', emailWarning(notifyEmail)],
    ...persons.map(({ fullName }, row): [string, string | undefined] => [
      `persons.${row}.fullName`,
      nameWarning(fullName),
    ]),
  ]
  return all.flatMap(([path, message]) => (message === undefined ? [] : [{ path, message }]))
}

export const readEnrollment = (form: Pick<Enrollment, 'content'>): EnrollmentContent =>
  EnrollmentContent.parse(form.content)

const read = (form: Enrollment, now: number) =>
  readContent(EnrollmentContent, form.content, (content) => checkEnrollment(content, now))

function mustBeValid(form: Enrollment, _: unknown, { now }: Given): Refusal | undefined {
  const result = read(form, now)
  return result.ok ? undefined : result
}

function normalized(form: Enrollment, now: number): Partial<Enrollment> {
  const result = read(form, now)
  return result.ok ? { content: result.content } : {}
}

function mayApprove(form: Enrollment, _: unknown, { actor, facts }: Given): Refusal | undefined {
  const { headSignature, persons, headName } = readEnrollment(form)
  if (headSignature === undefined) return refuse('signature_missing')
  if (facts.oidTaken) return refuse('oid_taken')
  if (facts.takenPersons.length > 0) {
    const message =
      'По этому значению уже есть чужая учётная запись: верните заявку на исправление.'
    const fields = facts.takenPersons.map(({ row, field }) => ({
      path: `persons.${row}.${field}`,
      message,
    }))
    return refuse('invalid', fields)
  }
  const named = [...persons.map(({ fullName }) => foldName(fullName)), foldName(headName)]
  return named.includes(foldName(actor.name)) ? refuse('same_person') : undefined
}

const filling = ['applicant', 'mo_admin', 'head_of_mo', 'cami_operator'] as const

const rules: Rules<Enrollment, EnrollmentAction, EnrollmentFacts, EnrollmentEffect> = {
  edit: {
    from: ['draft', 'needs_correction'],
    to: (form) => form.status,
    by: filling,
    change: (_, { content }) => ({ content }),
  },
  attach: {
    from: ['draft', 'submitted', 'under_review', 'needs_correction'],
    to: (form) => form.status,
    by: [...filling, 'cami_admin'],
    change: ({ attachments }, { attachment }) => ({ attachments: [...attachments, attachment] }),
  },
  submit: {
    from: ['draft'],
    to: 'submitted',
    by: filling,
    guard: mustBeValid,
    change: (form, _, { now }) => ({ ...normalized(form, now), submittedAt: now }),
    effects: () => [{ type: 'confirm_email' }],
  },
  register: {
    from: ['submitted'],
    to: 'under_review',
    by: operators,
    change: (_, { number, incoming }, { now }) => ({ number, incoming, registeredAt: now }),
    effects: () => [{ type: 'acknowledge' }],
  },
  receive_signature: {
    from: ['submitted', 'under_review'],
    to: (form) => form.status,
    by: operators,
    change: ({ content }, { signature }) => ({ content: { ...content, headSignature: signature } }),
  },
  return_for_correction: {
    from: ['under_review'],
    to: 'needs_correction',
    by: operators,
    guard: (_, { comments }) => (comments.length === 0 ? refuse('no_comment') : undefined),
    change: (_, { comments }) => ({ comments }),
    effects: () => [{ type: 'ask_for_correction' }],
  },
  approve: {
    from: ['under_review'],
    to: 'approved',
    by: operators,
    guard: mayApprove,
    change: (_, __, { actor, now }) => ({ decidedBy: actor.account, decidedAt: now }),
    effects: () => [{ type: 'provision' }],
  },
  refuse: {
    from: ['under_review'],
    to: 'refused',
    by: operators,
    guard: (_, { reasons }) => (reasons.length === 0 ? refuse('no_reason') : undefined),
    change: (_, { reasons }, { actor, now }) => ({
      reasons,
      decidedBy: actor.account,
      decidedAt: now,
    }),
    effects: () => [{ type: 'issue_refusal_notice' }],
  },
  resubmit: {
    from: ['needs_correction'],
    to: 'under_review',
    by: filling,
    guard: mustBeValid,
    change: (form, _, { now }) => ({
      ...normalized(form, now),
      version: form.version + 1,
      comments: [],
    }),
  },
  withdraw: { from: ['needs_correction'], to: 'withdrawn', by: filling },
  provision: {
    from: ['approved'],
    to: 'provisioned',
    by: ['system'],
    guard: (_, { logins }) => (logins.length === 0 ? refuse('incomplete') : undefined),
    change: (_, { logins }) => ({ logins }),
  },
  issue_notice: {
    from: ['provisioned'],
    to: 'completed',
    by: operators,
    effects: () => [{ type: 'issue_access_notice' }],
  },
}

export const terminalEnrollmentStates = ['completed', 'refused', 'withdrawn'] as const

/** The life cycle of form № 1 (requirements, 2.1). An organization's own people act on its own form only. */
export const advanceEnrollment = createAdvance(rules, (form, actor) => {
  const own = (form.content['organization'] as { frmoOid?: unknown } | undefined)?.frmoOid
  return (
    actor.organization === undefined || operators.includes(actor.role) || actor.organization === own
  )
})

export function newEnrollment(
  draft: Pick<Enrollment, 'id' | 'content' | 'createdBy' | 'createdAt'> & { previousId?: string },
): Enrollment {
  return { ...emptyForm(), ...draft, kind: 'enrollment', logins: [] }
}
