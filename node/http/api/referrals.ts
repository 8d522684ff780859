import { z } from 'zod'
import type { AuditEntry } from '#protocol/audit-event.ts'
import { Ulid } from '#protocol/ids.ts'
import type { AuditLog } from '../../access/audit-log.ts'
import type { SessionUser } from '../../access/session-user.ts'
import { NewReferral, outcomes, Referral, type Referrals } from '../../store/referrals.ts'
import { ProcedureStep, type ProcedureSteps } from '../../store/procedure-steps.ts'
import { defineRoute, type Route } from '../routes.ts'

/** A list of closed ones is read page by page: `after` is the last id of the page before. */
const Listing = z.strictObject({
  state: z.enum(['open', 'closed']).default('open'),
  after: Ulid.exactOptional(),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
})
const ReferralPath = z.strictObject({ referral: Ulid })
const access = ['mo_admin', 'radiographer'] as const

export type ReferralDeps = {
  referrals: Pick<Referrals, 'create' | 'get' | 'open' | 'closed' | 'change' | 'cancel' | 'close'>
  procedureSteps: Pick<ProcedureSteps, 'get'>
  audit: Pick<AuditLog, 'append'>
}

/** Referrals (направления): what apparatus find in their worklist. */
export function referralRoutes({ referrals, procedureSteps, audit }: ReferralDeps): Route[] {
  const note: Note = (user, detail) => audit.append(entryOf(user, detail))
  return [
    ...readingRoutes({ referrals, note }),
    ...writingRoutes({ referrals, note }),
    performedRoute({ referrals, procedureSteps, note }),
  ]
}

type Note = (user: SessionUser, detail: string) => Promise<unknown>
type Parts = Pick<ReferralDeps, 'referrals'> & { note: Note }

function readingRoutes({ referrals, note }: Parts): Route[] {
  return [
    defineRoute({
      method: 'get',
      path: '/api/referrals',
      summary: 'Referrals: open ones, or closed ones from the oldest on',
      access,
      query: Listing,
      answer: z.strictObject({ referrals: z.array(Referral) }),
      async handle({ query: { state, ...page }, user }) {
        const found =
          state === 'closed'
            ? await referrals.closed(page)
            : referrals
                .open()
                .filter(({ id }) => page.after === undefined || id > page.after)
                .slice(0, page.limit)
        await note(user, `read ${found.length} referrals`)
        return { referrals: found }
      },
    }),
    defineRoute({
      method: 'get',
      path: '/api/referrals/:referral',
      summary: 'One referral',
      access,
      params: ReferralPath,
      answer: Referral,
      async handle({ params, user }) {
        const referral = await referrals.get(params.referral)
        await note(user, `read referral ${referral.id}`)
        return referral
      },
    }),
  ]
}

function writingRoutes({ referrals, note }: Parts): Route[] {
  return [
    defineRoute({
      method: 'post',
      path: '/api/referrals',
      summary: 'Make a referral; its steps are in the worklist at once',
      access,
      body: NewReferral,
      answer: Referral,
      async handle({ body, user }) {
        const referral = await referrals.create(body, user.uid)
        await note(user, `made referral ${referral.id}`)
        return referral
      },
    }),
    defineRoute({
      method: 'put',
      path: '/api/referrals/:referral',
      summary: 'Change a referral that no apparatus has begun',
      access,
      params: ReferralPath,
      body: NewReferral,
      answer: Referral,
      async handle({ params, body, user }) {
        const referral = await referrals.change(params.referral, body)
        await note(user, `changed referral ${referral.id}`)
        return referral
      },
    }),
    defineRoute({
      method: 'post',
      path: '/api/referrals/:referral/cancel',
      summary: 'Cancel a referral that no apparatus has begun; it leaves the worklist',
      access,
      params: ReferralPath,
      answer: Referral,
      async handle({ params, user }) {
        const referral = await referrals.cancel(params.referral)
        await note(user, `cancelled referral ${referral.id}`)
        return referral
      },
    }),
    defineRoute({
      method: 'post',
      path: '/api/referrals/:referral/close',
      summary: 'End a referral whose apparatus began and never said that it had ended',
      access,
      params: ReferralPath,
      body: z.strictObject({ outcome: z.enum(outcomes) }),
      answer: Referral,
      async handle({ params, body: { outcome }, user }) {
        const referral = await referrals.close(params.referral, outcome)
        await note(user, `closed referral ${referral.id} as ${outcome}`)
        return referral
      },
    }),
  ]
}

/** What apparatus said of their work, without the data set itself. */
const Performed = ProcedureStep.omit({ attributes: true, made: true }).extend({
  instances: z.int().min(0),
})

function performedRoute(deps: Parts & Pick<ReferralDeps, 'procedureSteps'>): Route {
  return defineRoute({
    method: 'get',
    path: '/api/referrals/:referral/performed',
    summary: 'What apparatus reported of the steps of a referral',
    access,
    params: ReferralPath,
    answer: z.strictObject({ performed: z.array(Performed) }),
    async handle({ params, user }) {
      const { id, steps } = await deps.referrals.get(params.referral)
      const uids = steps.flatMap(({ performed }) => performed)
      const found = await Promise.all(uids.map((sop) => deps.procedureSteps.get(sop)))
      await deps.note(user, `read what was performed for referral ${id}`)
      return {
        performed: found.map(reportOf),
      }
    },
  })
}

function reportOf(step: ProcedureStep): z.infer<typeof Performed> {
  const { attributes: _, made, ...rest } = step
  return { ...rest, instances: made.length }
}

const entryOf = (user: SessionUser, detail: string): AuditEntry => ({
  event: 'order-record',
  outcome: 'success',
  organization: user.organization,
  user: user.uid,
  role: user.roles[0] ?? '',
  source: user.address,
  holder: user.organization,
  detail,
})
