import { toHex } from '#protocol/bytes.ts'
import { ProtocolError } from '#protocol/errors.ts'
import type { OrganizationOid, PeerIdString, Sha256 } from '#protocol/ids.ts'
import type { Handlers } from '#protocol/transport/transport.ts'
import type { NewEntry } from './journal.ts'
import { checkpointsOf } from './transparency.ts'
import type { Transparency } from './transparency.ts'

/** What nodes may ask of the log, and bring to it. `caller` throws for who may not. */
export function createLogHandlers(
  { kept }: Pick<Transparency, 'kept'>,
  caller: (peer: PeerIdString) => { oid: OrganizationOid },
): Pick<Handlers, 'log.checkpoint' | 'log.entries' | 'log.proof' | 'log.cosign' | 'log.submit'> {
  const parts = () => {
    if (kept === undefined) throw new ProtocolError('unsupported', 'there is no log here')
    return kept
  }
  return {
    async 'log.checkpoint'(_, { peer }) {
      caller(peer)
      return checkpointsOf(parts().cosignatures)
    },
    async 'log.entries'({ from }, { peer }) {
      caller(peer)
      return { entries: await parts().log.entries(from) }
    },
    async 'log.proof'({ first, second }, { peer }) {
      caller(peer)
      const proof = await parts().log.proof(first, second)
      return { proof: proof.map((hash) => toHex(hash) as Sha256) }
    },
    async 'log.cosign'({ checkpoint }, { peer }) {
      caller(peer)
      await parts().cosignatures.add(checkpoint)
      return {}
    },
    async 'log.submit'({ entries }, { peer }) {
      const { oid: org } = caller(peer)
      const own = entries.map((entry): NewEntry =>
        entry.kind === 'manifest' ? entry : { ...entry, org },
      )
      await parts().log.write(own, [])
      return {}
    },
  }
}
