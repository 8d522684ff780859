import { z } from 'zod'
import type { AuditEntry } from '#protocol/audit-event.ts'
import { codeOf, ProtocolError } from '#protocol/errors.ts'
import { Ulid } from '#protocol/ids.ts'
import type { Accounts } from '../../access/accounts.ts'
import type { AuditLog } from '../../access/audit-log.ts'
import type { SecondFactors } from '../../access/second-factors.ts'
import type { SessionUser } from '../../access/session-user.ts'
import type { Sessions } from '../../access/sessions.ts'
import type { NodeConfig } from '../../config.ts'
import { setCookie } from '../authentication.ts'
import { defineRoute, type Route } from '../routes.ts'

/** As it is typed: a code of an authenticator, or a recovery code with its dashes. */
export const Code = z.string().trim().min(6).max(32)

type Deps = {
  accounts: Pick<Accounts, 'find' | 'get'>
  factors: Omit<SecondFactors, 'use'>
  sessions: Pick<Sessions, 'prove' | 'renew' | 'endAll'>
  audit: Pick<AuditLog, 'append'>
  config: Pick<NodeConfig, 'http' | 'demo'>
}

/** The second factor of whoever is signed in; and the administrator's answer to a lost telephone. */
export const secondFactorRoutes = (deps: Deps): Route[] => [
  beginRoute(deps),
  confirmRoute(deps),
  resetRoute(deps),
]

/** Her password once more, and a code of the factor that is to be replaced: an open screen is not enough. */
const beginRoute = ({ sessions, factors, config }: Deps): Route =>
  defineRoute({
    method: 'post',
    path: '/api/session/second-factor',
    summary: 'A new second factor of one’s own; it counts once a first code confirms it',
    access: 'signed-in',
    body: z.strictObject({
      password: z.string().min(1).max(1024),
      code: Code.exactOptional(),
    }),
    answer: z.strictObject({ secret: z.string(), uri: z.string() }),
    async handle({ body, user }) {
      if (config.demo) throw new ProtocolError('forbidden', 'the demo region has no second factor')
      return factors.begin(await sessions.prove(user, body))
    },
  })

const confirmRoute = ({ accounts, sessions, factors, audit, config }: Deps): Route =>
  defineRoute({
    method: 'post',
    path: '/api/session/second-factor/confirmation',
    summary: 'The first code; answers the recovery codes, once. All other sessions end',
    access: 'signed-in',
    body: z.strictObject({ code: Code }),
    answer: z.strictObject({ recoveryCodes: z.array(z.string()), token: z.string() }),
    async handle({ body, user, ctx }) {
      const account = accounts.find(user.login)
      if (account === undefined) throw new ProtocolError('not_found', 'no such account')
      const detail = `second factor ${factors.has(account.id) ? 'replaced' : 'set up'}`
      try {
        const recoveryCodes = await factors.confirm(account.id, body.code)
        await audit.append({ ...entryOf(user), outcome: 'success', detail })
        const { secret } = await sessions.renew(user)
        setCookie(ctx, config.http, secret)
        return { recoveryCodes, token: secret }
      } catch (error) {
        const code = codeOf(error)
        if (code === 'forbidden') {
          await audit.append({ ...entryOf(user), outcome: 'denied', code, detail })
        }
        throw error
      }
    },
  })

const resetRoute = ({ accounts, sessions, factors, audit }: Deps): Route =>
  defineRoute({
    method: 'post',
    path: '/api/accounts/:account/second-factor/reset',
    summary: 'Take the second factor of somebody else away, on a document; her sessions end',
    access: ['mo_admin'],
    params: z.strictObject({ account: Ulid }),
    body: z.strictObject({ basis: z.string().trim().min(3).max(120) }),
    async handle({ params, body, user }) {
      const account = accounts.get(params.account)
      if (account === undefined) throw new ProtocolError('not_found', 'no such account')
      // She replaces her own with its code: a screen that she left open takes nothing away.
      if (account.login === user.login) throw new ProtocolError('conflict', 'one’s own')
      if (!(await factors.reset(account.id))) throw new ProtocolError('conflict', 'there is none')
      await sessions.endAll(account)
      const detail = `second factor of account ${account.id} reset: ${body.basis}`
      await audit.append({ ...entryOf(user), outcome: 'success', detail })
    },
  })

const entryOf = (user: SessionUser): Omit<AuditEntry, 'outcome'> => ({
  event: 'configuration',
  organization: user.organization,
  user: user.uid,
  role: user.roles[0] ?? '',
  source: user.address,
  holder: user.organization,
})
