import { z } from 'zod'
import { needsFactor } from '#protocol/authorize.ts'
import type { Accounts } from '../../access/accounts.ts'
import type { Federation } from '../../access/federation.ts'
import type { SecondFactors } from '../../access/second-factors.ts'
import type { SessionUser } from '../../access/session-user.ts'
import type { Sessions } from '../../access/sessions.ts'
import type { NodeConfig } from '../../config.ts'
import { setCookie } from '../authentication.ts'
import { plainAddress } from '../hosts.ts'
import { defineOpenRoute, defineRoute, type Route } from '../routes.ts'
import { Code } from './second-factor.ts'

const SignIn = z.strictObject({
  login: z.string().min(1).max(256),
  password: z.string().min(1).max(1024),
  /** Of her second factor, when she has one. */
  code: Code.exactOptional(),
})

const Signed = z.strictObject({ token: z.string(), expiresAt: z.int() })

const CurrentSession = z.strictObject({
  user: z.strictObject({
    id: z.string(),
    login: z.string(),
    name: z.string(),
    roles: z.array(z.string()),
    position: z.string(),
    department: z.string(),
  }),
  organization: z.strictObject({ oid: z.string(), name: z.string() }),
  demo: z.boolean(),
  secondFactor: z.strictObject({
    /** `off`: this region has none (demo). */
    state: z.enum(['off', 'absent', 'set']),
    /** It is all that this session lacks for what her roles are there for. */
    isNeeded: z.boolean(),
    /** How many recovery codes are left. */
    recoveryCodes: z.int(),
  }),
  expiresAt: z.int(),
})

type Deps = {
  sessions: Pick<Sessions, 'signIn' | 'signOut'>
  accounts: Pick<Accounts, 'find'>
  factors: Pick<SecondFactors, 'stateOf'>
  federation: Pick<Federation, 'policy'>
  clock?: () => number
  config: Pick<NodeConfig, 'http' | 'organization' | 'demo'>
}

function createFactorState({ accounts, factors, federation, config, clock = Date.now }: Deps) {
  return (user: SessionUser): z.infer<typeof CurrentSession>['secondFactor'] => {
    const set = factors.stateOf(accounts.find(user.login)?.id ?? '')
    const facts = { user, self: user.organization, now: clock(), policy: federation.policy() }
    const absent = config.demo ? 'off' : 'absent'
    return {
      state: set === undefined ? absent : 'set',
      isNeeded: needsFactor(facts),
      recoveryCodes: set?.recoveryCodes ?? 0,
    }
  }
}

export function sessionRoutes(deps: Deps): Route[] {
  const { sessions, config } = deps
  const factorOf = createFactorState(deps)
  return [
    defineOpenRoute({
      method: 'post',
      path: '/api/session',
      summary: 'Sign in; answers a bearer token and sets the same session as a cookie',
      body: SignIn,
      answer: Signed,
      async handle({ body, ctx }) {
        const address = plainAddress(ctx.req.socket.remoteAddress ?? '')
        const signed = await sessions.signIn({ ...body, address, workstation: '' })
        // Whatever session this browser had ends: nobody goes on under a secret from before the sign-in.
        if (ctx.state.secret !== undefined) await sessions.signOut(ctx.state.secret)
        setCookie(ctx, config.http, signed.secret)
        return { token: signed.secret, expiresAt: signed.user.expiresAt }
      },
    }),
    defineRoute({
      method: 'get',
      path: '/api/session',
      summary: 'Who is signed in',
      access: 'signed-in',
      answer: CurrentSession,
      async handle({ user }) {
        const { uid, login, name, roles, position, department, expiresAt } = user
        return {
          user: { id: uid, login, name, roles: [...roles], position, department },
          organization: config.organization,
          demo: config.demo,
          secondFactor: factorOf(user),
          expiresAt,
        }
      },
    }),
    defineOpenRoute({
      method: 'delete',
      path: '/api/session',
      summary: 'Sign out',
      async handle({ ctx }) {
        if (ctx.state.secret !== undefined) await sessions.signOut(ctx.state.secret)
        setCookie(ctx, config.http, undefined)
      },
    }),
  ]
}
