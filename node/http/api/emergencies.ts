import { z } from 'zod'
import { EmergencyReason } from '#protocol/assertion.ts'
import { OrganizationOid, StudyUid, Ulid, UserId } from '#protocol/ids.ts'
import { emergencyLimits } from '#protocol/limits.ts'
import { reviewDueAt, type Emergencies, type Emergency } from '../../access/emergencies.ts'
import type { EmergencyDoors } from '../../access/emergency-doors.ts'
import type { Sessions } from '../../access/sessions.ts'
import { defineRoute, type Route } from '../routes.ts'
import { Code } from './second-factor.ts'

const Row = z.strictObject({
  id: Ulid,
  user: UserId,
  organization: OrganizationOid,
  position: z.string(),
  department: z.string(),
  study: StudyUid,
  reason: z.string(),
  /** Milliseconds since 1970. */
  startedAt: z.int(),
  until: z.int(),
  isOver: z.boolean(),
  dueAt: z.int(),
  isOverdue: z.boolean(),
  review: z
    .strictObject({ at: z.int(), by: UserId, comment: z.string(), isJustified: z.boolean() })
    .exactOptional(),
})

/** Proof that the person at the screen is still the one who signed in. */
const password = z.string().min(1).max(1024)

type Deps = {
  emergencies: Pick<Emergencies, 'isOffered' | 'offer' | 'list' | 'stop' | 'review'>
  emergencyDoors: EmergencyDoors
  sessions: Pick<Sessions, 'confirm' | 'prove'>
  clock?: () => number
}

/** Access without a grant: what others had of ours, and what our own people ask of others. */
export function emergencyRoutes(deps: Deps): Route[] {
  return [...holderRoutes(deps), ...readerRoutes(deps)]
}

function holderRoutes({ emergencies, sessions, clock = Date.now }: Deps): Route[] {
  const params = z.strictObject({ id: Ulid })
  return [
    defineRoute({
      method: 'get',
      path: '/api/emergencies',
      summary:
        'Studies that others have opened without a grant; what waits for a review comes first',
      access: ['mo_admin', 'head_of_mo', 'security_auditor'],
      answer: z.strictObject({ offered: z.boolean(), emergencies: z.array(Row) }),
      async handle() {
        const now = clock()
        return {
          offered: emergencies.isOffered(),
          emergencies: emergencies.list().map((row) => rowOf(row, now)),
        }
      },
    }),
    defineRoute({
      method: 'put',
      path: '/api/emergencies/policy',
      summary: 'Whether others may open a study in an emergency; the password is asked once more',
      access: ['head_of_mo'],
      body: z.strictObject({ offered: z.boolean(), password }),
      async handle({ body, user }) {
        await sessions.confirm(user, body.password)
        await emergencies.offer(body.offered, user)
      },
    }),
    defineRoute({
      method: 'post',
      path: '/api/emergencies/:id/stop',
      summary: 'End it now; what is being read is cut',
      access: ['mo_admin', 'head_of_mo'],
      params,
      handle: ({ params, user }) => emergencies.stop(params.id, user),
    }),
    defineRoute({
      method: 'post',
      path: '/api/emergencies/:id/review',
      summary: 'Say, after its end, whether it was justified',
      access: ['mo_admin', 'head_of_mo'],
      params,
      body: z.strictObject({
        comment: z.string().trim().min(3).max(emergencyLimits.commentCharsMax),
        isJustified: z.boolean(),
      }),
      handle: ({ params, body, user }) => emergencies.review(params.id, body, user),
    }),
  ]
}

function readerRoutes({ emergencyDoors, sessions }: Deps): Route[] {
  return [
    defineRoute({
      method: 'get',
      path: '/api/holders/:holder/emergency',
      summary: 'Whether this holder opens a study in an emergency',
      access: ['radiologist'],
      params: z.strictObject({ holder: OrganizationOid }),
      answer: z.strictObject({ offered: z.boolean() }),
      handle: async ({ params }) => ({ offered: await emergencyDoors.isOfferedBy(params.holder) }),
    }),
    defineRoute({
      method: 'post',
      path: '/api/studies/:study/emergency',
      summary:
        'Open one study of another organization without a grant; password and code are asked once more',
      access: ['radiologist'],
      params: z.strictObject({ study: StudyUid }),
      body: z.strictObject({
        holder: OrganizationOid,
        reason: z.string().trim().pipe(EmergencyReason),
        password,
        /** Of her second factor, when she has one. */
        code: Code.exactOptional(),
      }),
      answer: z.strictObject({ until: z.int() }),
      async handle({ params: { study }, body: { holder, reason, ...given }, user }) {
        // The holder is told that she has just shown who she is, and by which means: all of them, then.
        await sessions.prove(user, given)
        return await emergencyDoors.open(user, { study, holder, reason })
      },
    }),
  ]
}

function rowOf(row: Emergency, now: number): z.infer<typeof Row> {
  const { assertion: _, isLogged: __, ...shown } = row
  const dueAt = reviewDueAt(row)
  return { ...shown, dueAt, isOverdue: row.review === undefined && now >= dueAt }
}
