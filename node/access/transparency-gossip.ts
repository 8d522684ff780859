import { codeOf } from '#protocol/errors.ts'
import type { OrganizationOid } from '#protocol/ids.ts'
import { transparencyLimits } from '#protocol/limits.ts'
import type { Connection, Handlers } from '#protocol/transport/transport.ts'
import type { Log } from '../log.ts'
import type { Federation } from './federation.ts'

/**
 * Nodes show each other what the registry has shown them: whoever was shown another history learns it from its
 * neighbours, whatever the registry wants.
 */
export function createGossip(deps: {
  federation: Pick<Federation, 'self' | 'members' | 'memberByPeer' | 'transparency'>
  connect: (holder: OrganizationOid) => Promise<Pick<Connection, 'request'>>
  random: (bytes: number) => Uint8Array
  log: Log
}): { handlers: Required<Pick<Handlers, 'log.compare'>>; ask(): Promise<void> } {
  const { federation, connect, random, log } = deps
  const { transparency } = federation
  const askOne = async (oid: OrganizationOid, notes: readonly string[]): Promise<void> => {
    const connection = await connect(oid)
    for (const checkpoint of notes) {
      const answer = await connection.request('log.compare', { checkpoint })
      if (answer.checkpoint !== undefined) await transparency.compare(answer.checkpoint)
    }
  }
  return {
    handlers: {
      async 'log.compare'({ checkpoint }) {
        // Its own alarm is raised in any case; the answer lets the other raise one, too.
        const ours = await transparency.compare(checkpoint).catch((error: unknown) => {
          log.warn({ code: codeOf(error) }, 'a neighbour was shown another log')
          return transparency.notes()[0]
        })
        return ours === undefined ? {} : { checkpoint: ours }
      },
    },
    async ask() {
      const notes = transparency.notes()
      const others = federation
        .members()
        .filter(({ oid, online }) => online && oid !== federation.self.oid)
      const from = (random(1)[0] ?? 0) % Math.max(1, others.length)
      const chosen = [...others.slice(from), ...others.slice(0, from)]
      for (const { oid } of notes.length === 0
        ? []
        : chosen.slice(0, transparencyLimits.gossipPeers)) {
        await askOne(oid, notes).catch((error: unknown) =>
          log.info({ code: codeOf(error) }, 'a neighbour did not compare logs'),
        )
      }
    },
  }
}
