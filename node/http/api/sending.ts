import { z } from 'zod'
import { errorCodes } from '#protocol/errors.ts'
import { Ulid } from '#protocol/ids.ts'
import type { AuditLog } from '../../access/audit-log.ts'
import { jobStates, type Job, type JobQueue } from '../../store/job-queue.ts'
import { defineRoute, type Route } from '../routes.ts'

/** What is sent, as far as it is the administrator's business. */
type Work = {
  to: string
  study: string
  sent: readonly string[]
  warned?: readonly string[]
  refused: number
  commitment?: { state: 'asked' | 'kept' | 'failed'; failed: number }
}

const Row = z.strictObject({
  id: Ulid,
  to: z.string(),
  study: z.string(),
  state: z.enum(jobStates),
  attempts: z.int(),
  dueAt: z.int(),
  code: z.enum(errorCodes).exactOptional(),
  /** Instances that the target has acknowledged, and those that it refused in the last attempt. */
  sent: z.int(),
  /** Of those, what it took with a reservation: its copy proves nothing. */
  warned: z.int(),
  refused: z.int(),
  commitment: z.enum(['asked', 'kept', 'failed']).exactOptional(),
  changedAt: z.int(),
})

/** A queue as it is seen from here: what is in it does not matter to retry or cancel it. */
export type Sending = Pick<JobQueue<never>, 'retry' | 'cancel'> & { list(): Job<Work>[] }

/** Studies on their way to other archives. */
export function sendingRoutes({
  sending,
  audit,
}: {
  sending: Sending
  audit: Pick<AuditLog, 'append'>
}): Route[] {
  const change = (action: 'retry' | 'cancel', summary: string) =>
    defineRoute({
      method: 'post',
      path: `/api/sending/:job/${action}`,
      summary,
      access: ['mo_admin'],
      params: z.strictObject({ job: Ulid }),
      async handle({ params, user }) {
        await sending[action](params.job)
        await audit.append({
          event: 'configuration',
          outcome: 'success',
          organization: user.organization,
          user: user.uid,
          role: user.roles[0] ?? '',
          source: user.address,
          holder: user.organization,
          detail: `${action} of sending ${params.job}`,
        })
      },
    })
  return [
    defineRoute({
      method: 'get',
      path: '/api/sending',
      summary: 'Studies on their way to other archives, ended ones included for a while',
      access: ['mo_admin'],
      answer: z.strictObject({ jobs: z.array(Row) }),
      handle: async () => ({ jobs: sending.list().map(rowOf) }),
    }),
    change('retry', 'Try again at once, with all attempts'),
    change('cancel', 'Send no more of this study there'),
  ]
}

const rowOf = ({ work, ...job }: Job<Work>): z.infer<typeof Row> => ({
  id: job.id,
  to: work.to,
  study: work.study,
  state: job.state,
  attempts: job.attempts,
  dueAt: job.dueAt,
  ...(job.code !== undefined && { code: job.code }),
  sent: work.sent.length,
  warned: work.warned?.length ?? 0,
  refused: work.refused,
  ...(work.commitment !== undefined && { commitment: work.commitment.state }),
  changedAt: job.changedAt,
})
