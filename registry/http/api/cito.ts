import { z } from 'zod'
import { Cito, CitoInput, type Citos } from '../../cito.ts'
import type { SessionUser } from '../../sessions.ts'
import { by, defineRoute, formRoles, isOperator, operatorRoles, type Route } from '../routes.ts'
import { ById } from './forms.ts'

/** An organization sees what touches it, without the operator's reason and name. */
const Seen = Cito.partial({ reason: true, by: true }).extend({ isOpen: z.boolean() })
type Seen = z.infer<typeof Seen>

function seenBy(user: SessionUser, cito: Seen): Seen[] {
  if (isOperator(user)) return [cito]
  const { reason: _reason, by: _by, ...rest } = cito
  const own = user.account.organization
  return own === rest.organization || own === rest.holder ? [rest] : []
}

/** One study for a suspended organization (US-9). */
export function citoRoutes({ citos }: { citos: Citos }): Route[] {
  return [
    defineRoute({
      method: 'get',
      path: '/api/cito',
      summary: 'Studies that suspended organizations may read all the same, past ones included',
      access: formRoles,
      answer: z.strictObject({ cito: z.array(Seen) }),
      async handle({ user }) {
        const all = citos.all().map((one) => ({ ...one, isOpen: citos.isOpen(one) }))
        return { cito: all.flatMap((one) => seenBy(user, one)) }
      },
    }),
    defineRoute({
      method: 'post',
      path: '/api/cito',
      summary: 'Open one study to a suspended organization for 24 hours',
      access: operatorRoles,
      body: CitoInput,
      answer: Cito,
      handle: async ({ body, user }) => await citos.open(body, by(user)),
    }),
    defineRoute({
      method: 'post',
      path: '/api/cito/:id/withdrawal',
      summary: 'Take it back before its time',
      access: operatorRoles,
      params: ById,
      answer: Cito,
      handle: async ({ params, user }) => await citos.withdraw(params.id, by(user)),
    }),
  ]
}
