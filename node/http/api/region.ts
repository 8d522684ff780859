import { z } from 'zod'
import type { NodeConfig } from '../../config.ts'
import { defineRoute, type Route } from '../routes.ts'

/** How the rest of the region looks from here. */
export type RegionStatus = {
  registry: { reachable: boolean; since: number }
  /** The registry’s log as this node has seen it. */
  transparency?: z.infer<typeof Log>
  holders: readonly { oid: string; name: string; reachable: boolean; ageMs: number }[]
}

const Log = z.strictObject({
  policy: z.enum(['off', 'required']),
  size: z.number(),
  witnessing: z.enum(['fresh', 'degraded', 'none']),
  isWitness: z.boolean(),
  isFrozen: z.boolean(),
  alarms: z.number(),
})

const Region = z.strictObject({
  organization: z.strictObject({ oid: z.string(), name: z.string() }),
  demo: z.boolean(),
  registry: z.strictObject({ reachable: z.boolean(), since: z.number() }),
  transparency: Log.exactOptional(),
  holders: z.array(
    z.strictObject({
      oid: z.string(),
      name: z.string(),
      reachable: z.boolean(),
      ageMs: z.number(),
    }),
  ),
})

export function regionRoutes(deps: {
  federation: { status(): RegionStatus }
  config: Pick<NodeConfig, 'organization' | 'demo'>
}): Route[] {
  const { federation, config } = deps
  return [
    defineRoute({
      method: 'get',
      path: '/api/region',
      summary: 'Which organizations can be reached, and how old our copies of their lists are',
      access: 'signed-in',
      isPassive: true,
      answer: Region,
      async handle() {
        const { registry, holders, transparency } = federation.status()
        return {
          organization: config.organization,
          demo: config.demo,
          registry: { reachable: registry.reachable, since: registry.since },
          ...(transparency !== undefined && { transparency }),
          holders: holders.map(({ oid, name, reachable, ageMs }) => ({
            oid,
            name,
            reachable,
            ageMs,
          })),
        }
      },
    }),
  ]
}
