import { z } from 'zod'
import {
  AccessRequestContent,
  checkAccessRequest,
  readAccessRequest,
} from './access-request-content.ts'
import { FullName, foldName } from './fields/full-name.ts'
import { text } from './fields/text.ts'
import { emptyForm, formActions, formFields, readContent } from './form.ts'
import { OrganizationOid, organizationOfUser, Ulid, UserId } from './ids.ts'
import { Actor, createAdvance, operators, refuse } from './life-cycle.ts'
import type { Context, Refusal, Rule, Rules } from './life-cycle.ts'

/**
 * Form № 5: the holder («запрашивающая МО») asks that named people of the grantee («сторонняя МО») may interpret studies
 * made on its equipment. Approved, it is the ground of a grant; the grant itself is what the holder's node signs.
 */

export const accessRequestStates = [
  'draft',
  'submitted',
  'under_review',
  'needs_correction',
  'approved',
  'effective',
  'paused',
  'refused',
  'withdrawn',
  'revoked',
  'expired',
] as const

/** A row authorizes somebody only when it is confirmed and stands in the grant that the holder signed. */
export const UserRow = z.strictObject({
  row: z.int().min(1),
  state: z.enum(['pending', 'confirmed', 'denied', 'ended']),
  uid: UserId.exactOptional(),
})
export type UserRow = z.infer<typeof UserRow>

export const AccessRequest = z.strictObject({
  ...formFields,
  kind: z.literal('access_request'),
  status: z.enum(accessRequestStates),
  holder: OrganizationOid,
  rows: z.array(UserRow).max(100),
  /** The head, or her deputy, who stands for the form as it is written now. */
  confirmedBy: Actor.nullable(),
  /** The grant that it is the ground of. */
  grant: Ulid.exactOptional(),
})
export type AccessRequest = z.infer<typeof AccessRequest>

const reason = text(2000, 3)

export const AccessRequestAction = z.discriminatedUnion('type', [
  formActions.edit,
  formActions.attach,
  z.strictObject({ type: z.literal('confirm') }),
  formActions.submit,
  formActions.register,
  /** The grantee says that this person has this account, with this name and position. */
  z.strictObject({
    type: z.literal('confirm_row'),
    row: z.int().min(1),
    uid: UserId,
    fullName: FullName,
    position: text(200),
  }),
  z.strictObject({ type: z.literal('deny_row'), row: z.int().min(1) }),
  z.strictObject({ type: z.literal('approve') }),
  formActions.return_for_correction,
  formActions.resubmit,
  formActions.withdraw,
  formActions.refuse,
  z.strictObject({ type: z.literal('activate'), grant: Ulid, users: z.array(UserId) }),
  z.strictObject({ type: z.literal('revoke'), reason }),
  z.strictObject({ type: z.literal('expire') }),
  z.strictObject({ type: z.literal('pause') }),
  z.strictObject({ type: z.literal('resume') }),
  z.strictObject({ type: z.literal('end_row'), uid: UserId }),
  /** Her own organization has taken back that she left. */
  z.strictObject({ type: z.literal('restore_row'), uid: UserId }),
])
export type AccessRequestAction = z.infer<typeof AccessRequestAction>

export type AccessRequestFacts = {
  /** Connected, and not restricted. */
  granteeConnected: boolean
  holderConnected: boolean
}

export type AccessRequestEffect = {
  type:
    | 'ask_grantee'
    | 'ask_for_correction'
    | 'ask_holder_to_sign'
    | 'issue_refusal_notice'
    | 'issue_grant_notice'
    | 'revoke_grant'
}

type Given = Context<AccessRequestFacts>

const read = (form: AccessRequest, now: number) =>
  readContent(AccessRequestContent, form.content, (content) =>
    checkAccessRequest(content, form.holder, now),
  )

function mustBeValid(form: AccessRequest, _: unknown, { now }: Given): Refusal | undefined {
  const result = read(form, now)
  if (!result.ok) return result
  const isConfirmed = form.confirmedBy !== null || result.content.signature !== undefined
  return isConfirmed ? undefined : refuse('not_confirmed_by_head')
}

/** What was typed becomes what is meant; the rows begin again, because nobody has confirmed these yet. */
function normalized(form: AccessRequest, now: number): Partial<AccessRequest> {
  const result = read(form, now)
  if (!result.ok) return {}
  const rows = result.content.users.map((_, at): UserRow => ({ row: at + 1, state: 'pending' }))
  return { content: result.content, rows }
}

/** Two people: who prepared the form does not confirm it. */
function mayConfirm(form: AccessRequest, _: unknown, { actor }: Given): Refusal | undefined {
  const wrote = form.history.some(
    ({ action, by }) => action === 'edit' && by.account === actor.account,
  )
  return wrote || form.createdBy === actor.account ? refuse('same_person') : undefined
}

const setRow = (
  form: AccessRequest,
  row: number,
  to: Partial<UserRow>,
): Partial<AccessRequest> => ({
  rows: form.rows.map((one) => (one.row === row ? { ...one, ...to } : one)),
})

function mayConfirmRow(
  form: AccessRequest,
  action: { row: number; uid: UserId; fullName: FullName; position: string },
): Refusal | undefined {
  const row = form.rows.find((one) => one.row === action.row)
  const { users, granteeOrg } = readAccessRequest(form)
  const user = users[action.row - 1]
  if (row === undefined || user === undefined) return refuse('unknown_row')
  if (row.state === 'ended' || row.state === 'confirmed') return refuse('row_settled')
  const isSame =
    foldName(user.fullName) === foldName(action.fullName) &&
    foldName(user.position) === foldName(action.position)
  const isTheirs = String(organizationOfUser(action.uid)) === String(granteeOrg)
  const isFree = form.rows.every(({ uid }) => uid !== action.uid)
  return isSame && isTheirs && isFree ? undefined : refuse('grant_mismatch')
}

function mayApprove(form: AccessRequest, _: unknown, { facts, actor }: Given): Refusal | undefined {
  if (!facts.granteeConnected) return refuse('grantee_not_connected')
  if (!facts.holderConnected) return refuse('holder_not_connected')
  const { users, contactName } = readAccessRequest(form)
  const named = [contactName, ...users.map(({ fullName }) => fullName)].map(foldName)
  if (named.includes(foldName(actor.name))) return refuse('same_person')
  return form.rows.some(({ state }) => state === 'confirmed')
    ? undefined
    : refuse('nobody_confirmed')
}

/** Every user of the grant must be a confirmed row. */
function mayActivate(
  form: AccessRequest,
  { users }: { users: UserId[] },
  { facts }: Given,
): Refusal | undefined {
  if (!facts.granteeConnected) return refuse('grantee_not_connected')
  if (!facts.holderConnected) return refuse('holder_not_connected')
  const confirmed = new Set(
    form.rows.filter(({ state }) => state === 'confirmed').map(({ uid }) => uid),
  )
  const isCovered = users.length > 0 && users.every((uid) => confirmed.has(uid))
  return isCovered ? undefined : refuse('grant_mismatch')
}

const filling = ['mo_admin', 'consult_organizer', 'cami_operator'] as const
const own = ['mo_admin', 'consult_organizer', 'head_of_mo', 'cami_operator'] as const
const inForce = ['approved', 'effective', 'paused'] as const

type Table = Rules<AccessRequest, AccessRequestAction, AccessRequestFacts, AccessRequestEffect>

const stay = (form: AccessRequest) => form.status

const preparing: Pick<Table, 'edit' | 'attach' | 'confirm' | 'submit' | 'resubmit' | 'withdraw'> = {
  edit: {
    from: ['draft', 'needs_correction'],
    to: stay,
    by: filling,
    // A confirmation is of what was read, not of what is written afterwards.
    change: (_, { content }) => ({ content, confirmedBy: null }),
  },
  attach: {
    from: ['draft', 'submitted', 'under_review', 'needs_correction'],
    to: stay,
    by: [...own, 'cami_admin'],
    change: ({ attachments }, { attachment }) => ({ attachments: [...attachments, attachment] }),
  },
  confirm: {
    from: ['draft', 'needs_correction'],
    to: stay,
    by: ['head_of_mo'],
    guard: mayConfirm,
    change: (_, __, { actor }) => ({ confirmedBy: actor }),
  },
  submit: {
    from: ['draft'],
    to: 'submitted',
    by: own,
    guard: mustBeValid,
    change: (form, _, { now }) => ({ ...normalized(form, now), submittedAt: now }),
  },
  resubmit: {
    from: ['needs_correction'],
    to: 'under_review',
    by: own,
    guard: mustBeValid,
    change: (form, _, { now }) => ({
      ...normalized(form, now),
      version: form.version + 1,
      comments: [],
    }),
  },
  withdraw: { from: ['needs_correction'], to: 'withdrawn', by: own },
}

const deciding: Pick<
  Table,
  'register' | 'return_for_correction' | 'approve' | 'refuse' | 'confirm_row' | 'deny_row'
> = {
  register: {
    from: ['submitted'],
    to: 'under_review',
    by: operators,
    change: (_, { number, incoming }, { now }) => ({ number, incoming, registeredAt: now }),
    effects: () => [{ type: 'ask_grantee' }],
  },
  return_for_correction: {
    from: ['under_review'],
    to: 'needs_correction',
    by: operators,
    guard: (_, { comments }) => (comments.length === 0 ? refuse('no_comment') : undefined),
    change: (_, { comments }) => ({ comments }),
    effects: () => [{ type: 'ask_for_correction' }],
  },
  confirm_row: {
    from: ['under_review', 'approved'],
    to: stay,
    by: ['mo_admin', 'system'],
    guard: mayConfirmRow,
    change: (form, { row, uid }) => setRow(form, row, { state: 'confirmed', uid }),
  },
  deny_row: {
    from: ['under_review', 'approved'],
    to: stay,
    by: ['mo_admin'],
    guard: (form, { row }) =>
      form.rows.some((one) => one.row === row && one.state === 'pending')
        ? undefined
        : refuse('unknown_row'),
    change: (form, { row }) => setRow(form, row, { state: 'denied' }),
  },
  approve: {
    from: ['under_review'],
    to: 'approved',
    by: operators,
    guard: mayApprove,
    change: (_, __, { actor, now }) => ({ decidedBy: actor.account, decidedAt: now }),
    effects: () => [{ type: 'ask_holder_to_sign' }],
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
}

type Ending = 'activate' | 'revoke' | 'expire' | 'pause' | 'resume' | 'end_row' | 'restore_row'

const ending: Pick<Table, Ending> = {
  activate: {
    from: ['approved'],
    to: 'effective',
    by: ['system'],
    guard: mayActivate,
    change: (_, { grant }) => ({ grant }),
    effects: () => [{ type: 'issue_grant_notice' }],
  },
  revoke: {
    from: inForce,
    to: 'revoked',
    by: ['mo_admin', 'head_of_mo', 'cami_operator', 'cami_admin', 'system'],
    note: ({ reason }) => reason,
    effects: ({ grant }) => (grant === undefined ? [] : [{ type: 'revoke_grant' }]),
  },
  expire: { from: inForce, to: 'expired', by: ['system'] },
  pause: { from: ['effective'], to: 'paused', by: ['system'] },
  resume: {
    from: ['paused'],
    to: 'effective',
    by: ['system'],
    guard: (_, __, { facts }) =>
      facts.granteeConnected && facts.holderConnected ? undefined : refuse('grantee_not_connected'),
  },
  end_row: turnRow('confirmed', 'ended'),
  restore_row: turnRow('ended', 'confirmed'),
}

/** The registry alone does this, when somebody leaves or is back. */
function turnRow(
  from: UserRow['state'],
  to: UserRow['state'],
): Rule<AccessRequest, { uid: UserId }, AccessRequestFacts, AccessRequestEffect> {
  const isMeant = (row: UserRow, uid: UserId): boolean => row.uid === uid && row.state === from
  return {
    from: ['under_review', 'approved', 'effective', 'paused'],
    to: stay,
    by: ['system'],
    guard: (form, { uid }) =>
      form.rows.some((row) => isMeant(row, uid)) ? undefined : refuse('unknown_row'),
    change: (form, { uid }) => ({
      rows: form.rows.map((row) => (isMeant(row, uid) ? { ...row, state: to } : row)),
    }),
  }
}

export const terminalAccessRequestStates = ['refused', 'withdrawn', 'revoked', 'expired'] as const

const ofGrantee: readonly string[] = ['confirm_row', 'deny_row']

/** The life cycle of form № 5 (requirements, 2.5). Rows are the grantee's to confirm, everything else is the holder's. */
export const advanceAccessRequest = createAdvance<
  AccessRequest,
  AccessRequestAction,
  AccessRequestFacts,
  AccessRequestEffect
>({ ...preparing, ...deciding, ...ending }, (form, actor, { type }) => {
  if (operators.includes(actor.role) || actor.role === 'system') return true
  const grantee = form.content['granteeOrg']
  return actor.organization === (ofGrantee.includes(type) ? grantee : form.holder)
})

export function newAccessRequest(
  draft: Pick<AccessRequest, 'id' | 'content' | 'createdBy' | 'createdAt' | 'holder'> & {
    previousId?: string
  },
): AccessRequest {
  return { ...emptyForm(), ...draft, kind: 'access_request', rows: [], confirmedBy: null }
}
