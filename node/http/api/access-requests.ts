import { z } from 'zod'
import type { AuditEntry } from '#protocol/audit-event.ts'
import { AccessRequestRecord } from '#protocol/control.ts'
import { Ulid } from '#protocol/ids.ts'
import type { AccessRequests } from '../../access/access-requests.ts'
import type { AuditLog } from '../../access/audit-log.ts'
import type { SessionUser } from '../../access/session-user.ts'
import { defineRoute, type Route } from '../routes.ts'

/** Forms № 5 that wait for this organization. */
export function accessRequestRoutes(deps: {
  accessRequests: AccessRequests
  audit: Pick<AuditLog, 'append'>
}): Route[] {
  const { accessRequests, audit } = deps
  const params = z.strictObject({ id: Ulid })
  return [
    defineRoute({
      method: 'get',
      path: '/api/access-requests',
      summary:
        'Forms № 5 that wait for a signature (holder) or for a confirmation of people (grantee)',
      access: ['mo_admin', 'head_of_mo'],
      answer: z.strictObject({ requests: z.array(AccessRequestRecord) }),
      handle: async () => ({ requests: await accessRequests.waiting() }),
    }),
    defineRoute({
      method: 'post',
      path: '/api/access-requests/:id/confirmation',
      summary:
        'Say which accounts the rows of a form № 5 mean; only equal names and positions count',
      access: ['mo_admin'],
      params,
      answer: z.strictObject({ confirmed: z.array(z.int()), unmatched: z.array(z.int()) }),
      async handle({ params, user }) {
        const result = await accessRequests.confirm(params.id)
        await audit.append({
          ...entryOf(user),
          event: 'configuration',
          detail: `form 5: ${result.confirmed.length} rows confirmed`,
        })
        return result
      },
    }),
    defineRoute({
      method: 'post',
      path: '/api/access-requests/:id/signature',
      summary: 'Sign the grant of an approved form № 5 with this organization’s key',
      access: ['mo_admin', 'head_of_mo'],
      params,
      answer: z.strictObject({ jti: Ulid }),
      async handle({ params, user }) {
        const { jti } = await accessRequests.sign(params.id)
        await audit.append({ ...entryOf(user), event: 'grant-requested', grant: jti })
        return { jti }
      },
    }),
  ]
}

function entryOf(user: SessionUser): Omit<AuditEntry, 'event'> {
  return {
    outcome: 'success',
    organization: user.organization,
    user: user.uid,
    role: user.roles[0] ?? '',
    source: user.address,
    holder: user.organization,
  }
}
