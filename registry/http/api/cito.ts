import { z } from 'zod'
import { Cito, CitoInput, type Citos } from '../../cito.ts'
import { by, defineRoute, operatorRoles, type Route } from '../routes.ts'
import { ById } from './forms.ts'

/** One study for a suspended organization (US-9). */
export function citoRoutes({ citos }: { citos: Citos }): Route[] {
  return [
    defineRoute({
      method: 'get',
      path: '/api/cito',
      summary: 'Studies that suspended organizations may read all the same, past ones included',
      access: operatorRoles,
      answer: z.strictObject({ cito: z.array(Cito) }),
      handle: async () => ({ cito: citos.all() }),
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
