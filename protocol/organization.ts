import { z } from 'zod'
import { FormDate } from './fields/dates.ts'
import { text } from './fields/text.ts'

/** Раздел 7 of the Положение: an organization works in ЦАМИ when all of these are fulfilled (J-1…J-6). */
export const conditions = {
  'J-1': 'назначены ответственные лица',
  'J-2': 'одобрена заявка (приложение № 1)',
  'J-3': 'зарегистрировано уведомление об аппарате (приложение № 4)',
  'J-4': 'одобрена заявка на доступ сторонней МО (приложение № 5) или она не требуется',
  'J-5': 'выполнены требования информационной безопасности',
  'J-6': 'проведён инструктаж пользователей',
} as const
export type ConditionCode = keyof typeof conditions
export const conditionCodes = Object.keys(conditions) as [ConditionCode, ...ConditionCode[]]

/** How a condition came to be fulfilled: by a form in the registry, or by a document that somebody vouches for. */
export const Condition = z.strictObject({
  state: z.enum(['missing', 'fulfilled', 'not_required']),
  basis: text(500).exactOptional(),
  date: FormDate.exactOptional(),
  by: z.string().max(200).exactOptional(),
})
export type Condition = z.infer<typeof Condition>

export const Checklist = z.record(z.enum(conditionCodes), Condition)
export type Checklist = z.infer<typeof Checklist>

export const emptyChecklist = (): Checklist => ({
  'J-1': { state: 'missing' },
  'J-2': { state: 'missing' },
  'J-3': { state: 'missing' },
  'J-4': { state: 'missing' },
  'J-5': { state: 'missing' },
  'J-6': { state: 'missing' },
})

/** «Не требуется» is an answer to J-4 alone. */
export const isFulfilled = (code: ConditionCode, { state }: Condition): boolean =>
  state === 'fulfilled' || (code === 'J-4' && state === 'not_required')

export const missing = (checklist: Checklist): ConditionCode[] =>
  conditionCodes.filter((code) => !isFulfilled(code, checklist[code]))

export const organizationStates = [
  'unknown',
  'applied',
  'onboarding',
  'connected',
  'restricted',
  'disconnected',
] as const
export type OrganizationState = (typeof organizationStates)[number]

export type OrganizationFacts = {
  /** A form № 1 is on its way. */
  hasApplied: boolean
  /** Form № 1 is approved. */
  isEnrolled: boolean
  checklist: Checklist
  isRestricted: boolean
  /** The operator has ended the connection. */
  isDisconnected: boolean
}

/**
 * unknown → applied → onboarding → connected ⇄ restricted → disconnected. The state follows from what is known, so it
 * cannot say `connected` while a condition is missing (J-0).
 */
export function organizationState(facts: OrganizationFacts): OrganizationState {
  if (facts.isDisconnected) return 'disconnected'
  if (!facts.isEnrolled) return facts.hasApplied ? 'applied' : 'unknown'
  if (facts.isRestricted) return 'restricted'
  return missing(facts.checklist).length === 0 ? 'connected' : 'onboarding'
}
