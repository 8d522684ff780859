import { z } from 'zod'
import type { Transparency } from '../../transparency/transparency.ts'
import { defineRoute } from '../routes.ts'
import type { Route } from '../routes.ts'

const State = z.strictObject({
  policy: z.enum(['off', 'required']),
  log: z.strictObject({ size: z.int(), root: z.string() }).exactOptional(),
  quorum: z.int(),
  witnessed: z.strictObject({ size: z.int() }).exactOptional(),
  witnesses: z.array(z.strictObject({ name: z.string(), at: z.int().exactOptional() })),
})

export function transparencyRoutes({
  transparency,
}: {
  transparency: Pick<Transparency, 'status'>
}): Route[] {
  return [
    defineRoute({
      method: 'get',
      path: '/api/transparency',
      summary: 'The transparency log, and who witnesses it',
      access: 'signed-in',
      answer: State,
      handle: async () => transparency.status(),
    }),
  ]
}
