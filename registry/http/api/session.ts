import { z } from 'zod'
import { ProtocolError } from '#protocol/errors.ts'
import { FullName } from '#protocol/fields/full-name.ts'
import { OrganizationOid, Ulid } from '#protocol/ids.ts'
import { AccountRole, UsedTwice } from '../../accounts.ts'
import type { Accounts } from '../../accounts.ts'
import type { Audit } from '../../audit.ts'
import { createCounter } from '#protocol/secrets/lockout.ts'
import type { Notices } from '../../notices.ts'
import type { SessionUser, Sessions } from '../../sessions.ts'
import { setCookie } from '../authentication.ts'
import type { CookieConfig, HttpContext } from '../authentication.ts'
import { defineOpenRoute, defineRoute, type Route } from '../routes.ts'

const Person = z.strictObject({
  /** As histories name her. */
  account: Ulid,
  login: z.string(),
  name: FullName,
  roles: z.array(AccountRole),
  organization: OrganizationOid.exactOptional(),
  amr: z.array(z.enum(['pwd', 'otp'])),
  expiresAt: z.int(),
  /** The policy of the trust list. */
  secondFactor: z.enum(['required', 'optional']),
  /** In how many working days a form should be decided. */
  reviewDays: z.int(),
})

const SignIn = z.strictObject({
  login: z.string().max(256),
  password: z.string().max(1024),
  code: z.string().max(16).exactOptional(),
})

const attemptsPerHour = 20
const hourMs = 3600 * 1000

export const addressOf = (ctx: HttpContext): string =>
  (ctx.req.socket.remoteAddress ?? '').replace(/^::ffff:(?=\d+\.)/, '')

export function sessionRoutes(deps: {
  sessions: Sessions
  accounts: Accounts
  audit: Audit
  notices: Notices
  cookie: CookieConfig & { reviewDays: number }
  clock: () => number
  needsSecondFactor: () => boolean
}): Route[] {
  const { sessions, notices, cookie, needsSecondFactor } = deps
  const personOf = ({ account, amr, expiresAt }: SessionUser): z.infer<typeof Person> => {
    const { id, login, name, roles, organization } = account
    const secondFactor = needsSecondFactor() ? 'required' : 'optional'
    const whose = organization === undefined ? {} : { organization }
    return {
      account: id,
      login,
      name,
      roles,
      ...whose,
      amr,
      expiresAt,
      secondFactor,
      reviewDays: cookie.reviewDays,
    }
  }
  return [
    defineOpenRoute({
      method: 'post',
      path: '/api/session',
      summary: 'Sign in; a code of the second factor where the policy asks for it',
      body: SignIn,
      answer: Person.extend({ token: z.string() }),
      async handle({ body, ctx }) {
        const { secret, user } = await sessions.signIn({ ...body, address: addressOf(ctx) })
        setCookie(ctx, cookie, secret)
        const { organization, roles } = user.account
        if (organization !== undefined && roles.includes('mo_admin')) {
          await notices.acknowledgeFor(organization)
        }
        return { ...personOf(user), token: secret }
      },
    }),
    defineRoute({
      method: 'get',
      path: '/api/session',
      summary: 'Who is signed in',
      access: 'signed-in',
      answer: Person,
      handle: async ({ user }) => personOf(user),
    }),
    defineRoute({
      method: 'delete',
      path: '/api/session',
      summary: 'Sign out',
      access: 'signed-in',
      async handle({ ctx }) {
        if (ctx.state.secret !== undefined) await sessions.signOut(ctx.state.secret)
        setCookie(ctx, cookie, undefined)
      },
    }),
    activationRoute(deps),
  ]
}

/** The one-time link: sets the password and gives the seed of the second factor, once. */
function activationRoute(deps: { accounts: Accounts; audit: Audit; clock: () => number }): Route {
  const { accounts, audit, clock } = deps
  const attempts = createCounter(clock, hourMs)
  return defineOpenRoute({
    method: 'post',
    path: '/api/activation',
    summary: 'Set the first password with the one-time secret of an activation link',
    body: z.strictObject({ secret: z.string().max(128), password: z.string().max(1024) }),
    answer: z.strictObject({
      login: z.string(),
      /** Shown once; an authenticator application takes either. */
      totp: z.strictObject({ secret: z.string(), uri: z.string() }),
    }),
    async handle({ body, ctx }) {
      const source = addressOf(ctx)
      if (attempts.add(source) > attemptsPerHour) {
        throw new ProtocolError('rate_limited', 'too many attempts')
      }
      const record = { role: '', source, subject: '' }
      try {
        const { account, totp } = await accounts.activate(body.secret, body.password)
        attempts.clear(source)
        const { id, login } = account
        await audit.append({
          ...record,
          actor: id,
          action: 'activate',
          subject: login,
          outcome: 'success',
        })
        return { login, totp }
      } catch (error) {
        // Somebody has a link that somebody else has used.
        const isAlarm = error instanceof UsedTwice
        const action = isAlarm ? 'security-alert' : 'activate'
        const actor = isAlarm ? error.account : ''
        await audit.append({ ...record, actor, action, outcome: 'denied', detail: 'activation' })
        throw error
      }
    },
  })
}
