import { z } from 'zod'
import { FormDate } from './fields/dates.ts'
import { text } from './fields/text.ts'
import { Attachment } from './form.ts'
import { OrganizationOid, StudyUid, Ulid } from './ids.ts'
import { Actor, createAdvance, HistoryEntry, operators, refuse } from './life-cycle.ts'
import type { Context, Refusal, Rules } from './life-cycle.ts'

/** Раздел 10 of the Положение: access of an organization is limited until it has put right what is wrong (W-2). */

export const restrictionStates = [
  'proposed',
  'imposed',
  'remedy_reported',
  'verified',
  'lifted',
] as const

export const RestrictionScope = z.enum(['cami', 'proxy', 'both'], {
  error: 'Выберите, к чему ограничивается доступ: ЦАМИ, PACS Proxy или к обоим.',
})
export type RestrictionScope = z.infer<typeof RestrictionScope>
export const RestrictionLevel = z.enum(['no_login', 'read_only', 'no_export', 'no_consult'], {
  error: 'Выберите уровень ограничения.',
})
export type RestrictionLevel = z.infer<typeof RestrictionLevel>

/** What an operator fills in. */
export const RestrictionInput = z.strictObject({
  organization: OrganizationOid,
  scope: RestrictionScope,
  level: RestrictionLevel,
  /** The point of the Положение that is violated. */
  clause: text(100),
  reason: text(2000, 10),
  /** What the organization is to do. */
  remedy: text(2000, 3),
  start: FormDate,
})
export type RestrictionInput = z.infer<typeof RestrictionInput>

export const Restriction = z.strictObject({
  ...RestrictionInput.shape,
  id: Ulid,
  number: text(64),
  status: z.enum(restrictionStates),
  evidence: z.array(Attachment).max(50),
  proof: z.array(Attachment).max(50),
  proposedBy: Actor,
  history: z.array(HistoryEntry),
})
export type Restriction = z.infer<typeof Restriction>

export const RestrictionAction = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('impose') }),
  z.strictObject({ type: z.literal('add_evidence'), attachment: Attachment }),
  z.strictObject({ type: z.literal('add_proof'), attachment: Attachment }),
  z.strictObject({ type: z.literal('report_remedy'), text: text(2000, 3) }),
  z.strictObject({ type: z.literal('reject_remedy'), text: text(2000, 3) }),
  z.strictObject({ type: z.literal('verify'), text: text(2000, 3) }),
  z.strictObject({ type: z.literal('lift') }),
  z.strictObject({ type: z.literal('discard') }),
])
export type RestrictionAction = z.infer<typeof RestrictionAction>

export type RestrictionEffect = {
  type: 'restrict' | 'restore' | 'tell_organization' | 'tell_operator'
}

/** The hardest restrictions need a second person. */
export const needsTwo = ({ scope, level }: Pick<Restriction, 'scope' | 'level'>): boolean =>
  scope === 'both' || level === 'no_login'

function mayImpose(form: Restriction, _: unknown, { actor }: Context<null>): Refusal | undefined {
  const isSame = form.proposedBy.account === actor.account
  return needsTwo(form) && isSame ? refuse('two_persons_needed') : undefined
}

const inForce = ['imposed', 'remedy_reported', 'verified'] as const
const stay = (form: Restriction) => form.status

const rules: Rules<Restriction, RestrictionAction, null, RestrictionEffect> = {
  impose: {
    from: ['proposed'],
    to: 'imposed',
    by: operators,
    guard: mayImpose,
    effects: () => [{ type: 'restrict' }, { type: 'tell_organization' }],
  },
  add_evidence: {
    from: ['proposed', ...inForce],
    to: stay,
    by: operators,
    change: ({ evidence }, { attachment }) => ({ evidence: [...evidence, attachment] }),
  },
  add_proof: {
    from: ['imposed', 'remedy_reported'],
    to: stay,
    by: ['mo_admin', 'head_of_mo', ...operators],
    change: ({ proof }, { attachment }) => ({ proof: [...proof, attachment] }),
  },
  report_remedy: {
    from: ['imposed'],
    to: 'remedy_reported',
    by: ['mo_admin', 'head_of_mo', ...operators],
    note: (action) => action.text,
    effects: () => [{ type: 'tell_operator' }],
  },
  reject_remedy: {
    from: ['remedy_reported'],
    to: 'imposed',
    by: operators,
    note: (action) => action.text,
  },
  verify: {
    from: ['remedy_reported'],
    to: 'verified',
    by: operators,
    guard: ({ proof }) => (proof.length === 0 ? refuse('no_proof') : undefined),
    note: (action) => action.text,
  },
  lift: {
    from: ['verified'],
    to: 'lifted',
    by: operators,
    effects: () => [{ type: 'restore' }, { type: 'tell_organization' }],
  },
  // Nobody was restricted, so nothing is restored.
  discard: { from: ['proposed'], to: 'lifted', by: operators },
}

export const terminalRestrictionStates = ['lifted'] as const

/** The life cycle of a restriction (requirements, 2.6 and W-2). */
export const advanceRestriction = createAdvance(
  rules,
  (form, actor) => operators.includes(actor.role) || actor.organization === form.organization,
)

export const isInForce = ({ status }: Pick<Restriction, 'status'>): boolean =>
  inForce.some((one) => one === status)

/** A restriction as the organization's node gets it. */
export const RestrictionRecord = z.strictObject({
  number: z.string().max(64),
  scope: RestrictionScope,
  level: RestrictionLevel,
  clause: z.string().max(100),
  reason: z.string().max(2000),
  remedy: z.string().max(2000),
  start: z.iso.date(),
  /** Studies of others that may be read all the same, until then (milliseconds). */
  cito: z
    .array(z.strictObject({ study: StudyUid, until: z.int() }))
    .max(1000)
    .exactOptional(),
})
export type RestrictionRecord = z.infer<typeof RestrictionRecord>

/** What a person at a node wants to do. */
export type RestrictedAct = 'login' | 'write' | 'export' | 'consult' | 'region'

const forbidden: Record<RestrictionLevel, readonly RestrictedAct[]> = {
  no_login: ['login', 'write', 'export', 'consult'],
  read_only: ['write', 'consult'],
  no_export: ['export'],
  no_consult: ['consult'],
}

/**
 * The restriction that stands against an act at the organization's own node; intake is never asked. Studies of others
 * (`region`) are closed by every restriction of ЦАМИ, whatever its level: the registry suspends the organization.
 */
export function restrictionAgainst(
  act: RestrictedAct,
  restrictions: readonly RestrictionRecord[],
  /** The operator may have left one study of others open. */
  about?: { study: StudyUid; now: number },
): RestrictionRecord | undefined {
  const isOpen = ({ cito = [] }: RestrictionRecord): boolean =>
    cito.some(({ study, until }) => study === about?.study && about.now < until)
  if (act === 'region') return restrictions.find((one) => one.scope !== 'proxy' && !isOpen(one))
  return restrictions.find(({ scope, level }) => scope !== 'cami' && forbidden[level].includes(act))
}

const deeds: Record<RestrictedAct, string> = {
  login: 'Вход в PACS Proxy закрыт',
  write: 'Изменения в PACS Proxy закрыты',
  export: 'Печать и запись на носители закрыты',
  consult: 'Дистанционные консультации закрыты',
  region: 'Исследования других МО закрыты',
}

/** What a person who is refused is told. */
export const restrictionSentence = (act: RestrictedAct, one: RestrictionRecord): string =>
  `${deeds[act]} решением ГАУЗ КО «КОМИАЦ» № ${one.number} (раздел 10 Положения, пункт ${one.clause}): ${one.reason}. Устранить: ${one.remedy}. Обратитесь к администратору МО.`
