import { z } from 'zod'
import { OrganizationOid } from './ids.ts'
import { FieldError } from './fields/text.ts'

/** Why an action on a form does not happen. */
export const refusals = [
  'wrong_state',
  'wrong_actor',
  'invalid',
  'signature_missing',
  'oid_taken',
  'same_person',
  'no_reason',
  'no_comment',
  'not_confirmed_by_head',
  'nobody_confirmed',
  'unknown_row',
  'row_settled',
  'grantee_not_connected',
  'holder_not_connected',
  'grant_mismatch',
  'too_early',
  'checks_failed',
  'devices_in_service',
  'two_persons_needed',
  'no_proof',
  'incomplete',
] as const
export type RefusalCode = (typeof refusals)[number]

export const actorRoles = [
  /** Whoever fills a form in for an organization that has no account yet. */
  'applicant',
  'mo_admin',
  'consult_organizer',
  'head_of_mo',
  'cami_operator',
  'cami_admin',
  'system',
] as const

/** Who acts. `account` is empty for the system and for an applicant without an account. */
export const Actor = z.strictObject({
  role: z.enum(actorRoles),
  account: z.string().max(128),
  /** A person's, or that of the organization whose node acts. */
  name: z.string().max(500),
  organization: OrganizationOid.exactOptional(),
})
export type Actor = z.infer<typeof Actor>
export type ActorRole = Actor['role']

export const HistoryEntry = z.strictObject({
  /** Milliseconds since 1970. */
  at: z.int().min(0),
  action: z.string().max(64),
  from: z.string().max(32),
  to: z.string().max(32),
  by: Actor,
  note: z.string().max(4000).exactOptional(),
})
export type HistoryEntry = z.infer<typeof HistoryEntry>

/** What every thing with a life cycle has. Its history only grows. */
export type Living = { status: string; history: HistoryEntry[] }

export type Refusal = { ok: false; code: RefusalCode; fields?: FieldError[] }
export type Outcome<T, E> = { ok: true; form: T; effects: E[] } | Refusal

export type Context<X> = {
  actor: Actor
  /** Milliseconds since 1970. */
  now: number
  facts: X
}

/** One row of a table of states: who may do what in which state, on what condition, and what follows. */
export type Rule<T extends Living, A, X, E> = {
  from: readonly T['status'][]
  to: T['status'] | ((form: T) => T['status'])
  by: readonly ActorRole[]
  guard?: (form: T, action: A, context: Context<X>) => Refusal | undefined
  change?: (form: T, action: A, context: Context<X>) => Partial<T>
  note?: (action: A) => string | undefined
  /** Of the form as it is afterwards. */
  effects?: (form: T, action: A) => E[]
}

export type Rules<T extends Living, A extends { type: string }, X, E> = {
  [K in A['type']]: Rule<T, Extract<A, { type: K }>, X, E>
}

export const refuse = (code: RefusalCode, fields?: FieldError[]): Refusal => ({
  ok: false,
  code,
  ...(fields !== undefined && { fields }),
})

export const operators: readonly ActorRole[] = ['cami_operator', 'cami_admin']

/**
 * The one way through a table of states. Order of the checks: state, actor, guard; a refusal changes nothing. `isParty`
 * says whether an actor of an organization may act on this form at all.
 */
export function createAdvance<T extends Living, A extends { type: string }, X, E>(
  rules: Rules<T, A, X, E>,
  isParty: (form: T, actor: Actor, action: A) => boolean = () => true,
): (form: T, action: A, context: Context<X>) => Outcome<T, E> {
  return (form, action, context) => {
    const rule = rules[action.type as A['type']] as unknown as Rule<T, A, X, E>
    const { actor, now } = context
    if (!rule.from.includes(form.status)) return refuse('wrong_state')
    if (!rule.by.includes(actor.role) || !isParty(form, actor, action)) return refuse('wrong_actor')
    const refusal = rule.guard?.(form, action, context)
    if (refusal !== undefined) return refusal
    const changed = { ...form, ...rule.change?.(form, action, context) }
    const to = typeof rule.to === 'function' ? rule.to(changed) : rule.to
    const note = rule.note?.(action)
    const entry: HistoryEntry = {
      at: now,
      action: action.type,
      from: form.status,
      to,
      by: actor,
      ...(note !== undefined && { note }),
    }
    const after: T = { ...changed, status: to, history: [...form.history, entry] }
    return { ok: true, form: after, effects: rule.effects?.(after, action) ?? [] }
  }
}
