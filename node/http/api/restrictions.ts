import { z } from 'zod'
import { OrganizationOid, StudyUid } from '#protocol/ids.ts'
import { RestrictionRecord } from '#protocol/restriction.ts'
import type { Federation } from '../../access/federation.ts'
import type { Restrictions } from '../../access/restrictions.ts'
import { defineRoute, type Route } from '../routes.ts'

export type RestrictionDeps = {
  restrictions: Pick<Restrictions, 'current'>
  federation: Pick<Federation, 'epochFacts'>
  clock?: () => number
}

/** What the operator has limited here, and what it leaves open (decision 0052). */
export const restrictionRoutes = (deps: RestrictionDeps): Route[] => [
  defineRoute({
    method: 'get',
    path: '/api/restrictions',
    summary:
      'Restrictions of this organization, and studies that suspended organizations read all the same',
    access: ['mo_admin', 'head_of_mo'],
    isPassive: true,
    answer: z.strictObject({
      restrictions: z.array(RestrictionRecord),
      /** Studies of ours that suspended organizations may read until then (milliseconds). */
      left: z.array(
        z.strictObject({ organization: OrganizationOid, study: StudyUid, until: z.int() }),
      ),
    }),
    async handle() {
      const now = (deps.clock ?? Date.now)()
      const left = deps.federation.epochFacts()?.cito ?? []
      return {
        restrictions: [...deps.restrictions.current()],
        left: left.filter(({ until }) => now < until),
      }
    },
  }),
]
