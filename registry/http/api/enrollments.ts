import { z } from 'zod'
import {
  Enrollment,
  EnrollmentAction,
  EnrollmentContent,
  enrollmentWarnings,
} from '#protocol/enrollment.ts'
import { maskSnils } from '#protocol/fields/snils.ts'
import { FieldError } from '#protocol/fields/text.ts'
import type { Draft } from '#protocol/form.ts'
import type { Attachments } from '../../attachments.ts'
import type { Enrollments } from '../../enrollments.ts'
import { renderEnrollment } from '../../forms/applications.ts'
import type { SessionUser } from '../../sessions.ts'
import { by, type Route } from '../routes.ts'
import { formRoutes } from './forms.ts'

const View = Enrollment.extend({ warnings: z.array(FieldError) })

const Action = z.discriminatedUnion('type', [
  ...EnrollmentAction.options.filter(
    (option) => !['attach', 'provision', 'register'].includes(option.shape.type.value),
  ),
  z.strictObject({
    type: z.literal('register'),
    incoming: Enrollment.shape.incoming.unwrap(),
  }),
] as never) as unknown as z.ZodType<Parameters<Enrollments['act']>[1]>

/** Form № 1. */
export function enrollmentRoutes(deps: {
  enrollments: Enrollments
  attachments: Attachments
  clock: () => number
}): Route[] {
  const { enrollments, attachments, clock } = deps
  return formRoutes({
    name: 'enrollments',
    title: 'Form № 1',
    attachments,
    clock,
    view: View,
    action: Action,
    get: enrollments.get,
    all: enrollments.all,
    mayRead: ({ content }, user) => isOwn(content, user),
    show: async (form) => {
      const parsed = EnrollmentContent.safeParse(form.content)
      const warnings = parsed.success ? enrollmentWarnings(parsed.data) : []
      return { ...form, content: masked(form.content), warnings }
    },
    create: (content, user) => enrollments.create(content, by(user)),
    async act(form, action, by) {
      const step =
        action.type === 'edit'
          ? { ...action, content: unmasked(action.content, form.content) }
          : action
      const { activations } = await enrollments.act(form.id, step, by)
      return activations.length === 0 ? {} : { activations }
    },
    attach: async (form, attachment, by) =>
      (await enrollments.act(form.id, { type: 'attach', attachment }, by)).form,
    pdf: (form) => renderEnrollment(form),
    reapply: (form, by) => enrollments.reapply(form.id, by),
  })
}

function isOwn(content: Draft, { account }: SessionUser): boolean {
  const oid = (content['organization'] as { frmoOid?: unknown } | undefined)?.frmoOid
  return account.organization !== undefined && oid === account.organization
}

type Row = { snils?: unknown }

const rowsOf = ({ persons }: Draft): Row[] => (Array.isArray(persons) ? (persons as Row[]) : [])

const digitsOf = (snils: unknown) =>
  typeof snils === 'string' ? snils.replaceAll(/[\s-]/g, '') : ''

/** СНИЛС leave the registry in documents only. */
export function masked(content: Draft): Draft {
  if (!Array.isArray(content['persons'])) return content
  const persons = rowsOf(content).map((row) => ({ ...row, snils: maskSnils(digitsOf(row.snils)) }))
  return { ...content, persons }
}

/** What comes back as it was shown means what was there. */
function unmasked(content: Draft, before: Draft): Draft {
  if (!Array.isArray(content['persons'])) return content
  const known = new Map(
    rowsOf(before).map(({ snils }) => [maskSnils(digitsOf(snils)), digitsOf(snils)]),
  )
  const persons = rowsOf(content).map((row) => {
    const whole = typeof row.snils === 'string' ? known.get(row.snils) : undefined
    return whole === undefined ? row : { ...row, snils: whole }
  })
  return { ...content, persons }
}
