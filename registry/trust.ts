import { ProtocolError } from '#protocol/errors.ts'
import type { Kid } from '#protocol/ids.ts'
import { nextTrustState, verifyTrustList } from '#protocol/trust-list.ts'
import type { TrustList } from '#protocol/trust-list.ts'
import { createTurns } from '#protocol/turns.ts'

/** The authority's trust list that the registry hands out; it obeys it like everyone else. */
export type Trust = {
  token(): string
  list(): TrustList
  /** Takes a later list, once `keep` has put it where a restart finds it; throws what is wrong with it. */
  replace(token: string, keep?: () => Promise<void>): Promise<void>
}

export const trustListKey = 'trust-list'

export async function createTrust(deps: {
  token: string
  authority: Kid
  clock: () => number
}): Promise<Trust> {
  const verify = (token: string) =>
    verifyTrustList(token, { authority: deps.authority, now: deps.clock() })
  const inTurn = createTurns()
  let current = { token: deps.token, verified: await verify(deps.token) }
  return {
    token: () => current.token,
    list: () => current.verified.claims,
    replace: (token, keep) =>
      inTurn(async () => {
        const verified = await verify(token)
        const { claims, digest } = current.verified
        const next = nextTrustState({ ver: claims.ver, digest }, verified)
        if (next === 'same') return
        if (next !== 'accept') {
          throw new ProtocolError(next, 'not later than the current trust list')
        }
        await keep?.()
        current = { token, verified }
      }),
  }
}
