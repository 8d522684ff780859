import { advanceAccessRequest, type AccessRequestAction } from '#protocol/access-request.ts'
import { advanceDeviceNotice, type DeviceNoticeAction } from '#protocol/device-notice.ts'
import { advanceEnrollment, type EnrollmentAction } from '#protocol/enrollment.ts'
import type { OrganizationOid } from '#protocol/ids.ts'
import type { Actor, RefusalCode } from '#protocol/life-cycle.ts'
import { printName } from '#protocol/fields/full-name.ts'
import { type Form, type Organization, type Session, sideOf } from '../api.ts'
import { checkable } from './content.ts'

/** An action that the form's state and the user's role allow, and what still stands against it. */
export type Offer = { type: ActionType; refusal?: RefusalCode; fields?: string[] }
export type ActionType = (typeof tried)[number]['type']

const sample = { no: '1', date: '2026-01-01' } as const
const said = 'достаточно подробно'

/** One of each, filled in well enough, so that only the form itself can be what stands against it. */
const tried = [
  { type: 'confirm' },
  { type: 'submit' },
  { type: 'resubmit' },
  { type: 'register', number: '1', incoming: sample },
  { type: 'approve' },
  { type: 'issue_notice' },
  { type: 'receive_signature', signature: { kind: 'paper', incomingNo: '1', date: sample.date } },
  { type: 'edit', content: {} },
  { type: 'return_for_correction', comments: [{ field: '', comment: said }] },
  { type: 'refuse', reasons: [{ clause: 'J-2', text: said }] },
  { type: 'withdraw' },
  { type: 'close' },
  { type: 'revoke', reason: said },
] as const

const order = [
  'cami_admin',
  'cami_operator',
  'mo_admin',
  'consult_organizer',
  'head_of_mo',
] as const

/** As whom the registry will see this user act: a head confirms as head, whatever else she is. */
export function actorOf({ roles, account, name, organization }: Session, action = ''): Actor {
  const isHead = action === 'confirm' && roles.includes('head_of_mo')
  const role = isHead ? 'head_of_mo' : (order.find((one) => roles.includes(one)) ?? 'applicant')
  const whose = organization === undefined ? {} : { organization: organization as OrganizationOid }
  return { role, account, name: printName(name), ...whose }
}

/** What can be done with a form now: the protocol's own tables are asked, so that screen and server agree. */
export function offersOf(
  form: Form,
  { session, organizations, now }: { session: Session; organizations: Organization[]; now: number },
): Offer[] {
  return tried.flatMap((action): Offer[] => {
    const actor = actorOf(session, action.type)
    const outcome = attempt(form, action, { actor, now, organizations })
    if (outcome.ok) return [{ type: action.type }]
    if (outcome.code === 'wrong_state' || outcome.code === 'wrong_actor') return []
    return [{ type: action.type, refusal: outcome.code }]
  })
}

type Tried = (typeof tried)[number]
type World = { actor: Actor; now: number; organizations: Organization[] }

function attempt(form: Form, action: Tried, { organizations, ...context }: World) {
  const isConnected = (oid: unknown) =>
    organizations.some(({ card, state }) => card.oid === oid && state === 'connected')
  if (form.kind === 'enrollment') {
    const isSigned = action.type === 'receive_signature' && 'headSignature' in form.content
    if (isSigned || ['close', 'revoke', 'confirm'].includes(action.type)) return no
    const content = checkable(form.content)
    const oid = (content['organization'] as { frmoOid?: unknown } | undefined)?.frmoOid
    const oidTaken = organizations.some(
      ({ card }) =>
        card.oid === oid && card.enrolledBy !== undefined && card.enrolledBy !== form.id,
    )
    const step = action as unknown as EnrollmentAction
    return advanceEnrollment({ ...form, content }, step, {
      ...context,
      facts: { oidTaken, takenPersons: [] },
    })
  }
  if (form.kind === 'device_notice') {
    if (
      !['edit', 'submit', 'resubmit', 'register', 'return_for_correction', 'close'].includes(
        action.type,
      )
    ) {
      return no
    }
    const facts = { takenRows: [], allDecommissioned: true }
    const step = action as unknown as DeviceNoticeAction
    return advanceDeviceNotice(form, step, { ...context, facts })
  }
  if (['close', 'receive_signature', 'issue_notice'].includes(action.type)) return no
  const facts = {
    granteeConnected: isConnected(form.content['granteeOrg']),
    holderConnected: isConnected(form.holder),
  }
  const step = action as unknown as AccessRequestAction
  return advanceAccessRequest(form, step, { ...context, facts })
}

const no = { ok: false, code: 'wrong_state' } as const

export type Turn = 'ours' | 'theirs' | 'nobody'

/** Whose move it is, seen from one side. What waits for an organization's node waits for its administrator. */
export function turnOf({ kind, status, createdBy }: Form, session: Session): Turn {
  const side = sideOf(session)
  // Whoever began a form finishes it; an organization's people share theirs.
  if (status === 'draft' && side === 'operator') {
    return createdBy === session.account ? 'ours' : 'theirs'
  }
  const mover = moverOf(kind, status)
  if (mover === 'nobody') return 'nobody'
  return mover === side ? 'ours' : 'theirs'
}

function moverOf(kind: Form['kind'], status: string): 'operator' | 'organization' | 'nobody' {
  if (['submitted', 'under_review', 'provisioned'].includes(status)) return 'operator'
  if (['needs_correction', 'paused', 'registered', 'draft'].includes(status)) return 'organization'
  if (status === 'approved') return kind === 'access_request' ? 'organization' : 'operator'
  return 'nobody'
}

/** Working days (Monday to Friday) that a form has waited for a decision; nothing when it does not wait. */
export function waitingDays({ status, submittedAt }: Form, now: number): number | undefined {
  if (submittedAt === undefined || !['submitted', 'under_review'].includes(status)) return undefined
  const zoneMs = 7 * 3_600_000
  const dayMs = 24 * 3_600_000
  let days = 0
  const last = Math.floor((now + zoneMs) / dayMs)
  for (let day = Math.floor((submittedAt + zoneMs) / dayMs) + 1; day <= last; day++) {
    // The first of January 1970 was a Thursday.
    const weekday = (day + 4) % 7
    if (weekday !== 0 && weekday !== 6) days++
  }
  return days
}
