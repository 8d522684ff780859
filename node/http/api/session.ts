import { z } from 'zod'
import type { Sessions } from '../../access/sessions.ts'
import type { NodeConfig } from '../../config.ts'
import { setCookie } from '../authentication.ts'
import { plainAddress } from '../hosts.ts'
import { defineOpenRoute, defineRoute, type Route } from '../routes.ts'

const SignIn = z.strictObject({
  login: z.string().min(1).max(256),
  password: z.string().min(1).max(1024),
  /** Of a second factor, once there is one. */
  code: z.string().max(16).exactOptional(),
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
  expiresAt: z.int(),
})

export function sessionRoutes(deps: {
  sessions: Pick<Sessions, 'signIn' | 'signOut'>
  config: Pick<NodeConfig, 'http' | 'organization' | 'demo'>
}): Route[] {
  const { sessions, config } = deps
  return [
    defineOpenRoute({
      method: 'post',
      path: '/api/session',
      summary: 'Sign in; answers a bearer token and sets the same session as a cookie',
      body: SignIn,
      answer: Signed,
      async handle({ body, ctx }) {
        const address = plainAddress(ctx.req.socket.remoteAddress ?? '')
        const { login, password } = body
        const signed = await sessions.signIn({ login, password, address, workstation: '' })
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
