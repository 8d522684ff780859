import { z } from 'zod'
import { codeOf, ProtocolError } from '#protocol/errors.ts'
import type { Kid } from '#protocol/ids.ts'
import { decodeToken } from '#protocol/jws.ts'
import type { Verified } from '#protocol/jws.ts'
import { nextTrustState, trustListKind, verifyTrustList } from '#protocol/trust-list.ts'
import type { TrustList } from '#protocol/trust-list.ts'
import type { Log } from '../log.ts'
import type { Records } from '../store/records.ts'

type Deps = {
  trustList: string
  authority: Kid
  now: () => number
  records: Pick<Records, 'find' | 'put'>
  log: Log
}

/** The trust list in force: the one of the configuration, or a later one that the registry has brought. */
export async function openTrust(deps: Deps): Promise<{
  list: () => TrustList
  /** True when the list is new; throws what is wrong with it. */
  accept(token: string): Promise<boolean>
}> {
  const { authority, now, records, log } = deps
  let current = await readKept(deps, deps.trustList)
  // One that is there and cannot be read may have withdrawn what the older one of the configuration allows.
  const stored = await records.find('trust', 'list', z.string())
  if (stored !== undefined) {
    const kept = await readKept(deps, stored)
    if (nextTrustState(markOf(current), kept) === 'accept') current = kept
  }
  return {
    list: () => current.claims,
    async accept(token) {
      const verified = await verifyTrustList(token, { authority, now: now() })
      const next = nextTrustState(markOf(current), verified)
      if (next === 'same') return false
      if (next !== 'accept') {
        log.error({ code: next }, 'a trust list that does not follow ours')
        throw new ProtocolError(next, 'not a successor of the trust list in force')
      }
      await records.put('trust', 'list', token)
      current = verified
      return true
    },
  }
}

const markOf = ({ claims, digest }: Verified<TrustList>) => ({ ver: claims.ver, digest })

/**
 * A list that has run out must not keep a node from its local work: it is read as of its own time, and since its
 * issuing keys have run out with it, nothing that they signed is believed any more.
 */
async function readKept(
  { authority, now, log }: Deps,
  token: string,
): Promise<Verified<TrustList>> {
  try {
    return await verifyTrustList(token, { authority, now: now() })
  } catch (error) {
    if (codeOf(error) !== 'token_expired') throw error
    log.error('the trust list has run out: no other organization is believed')
    const { iat } = decodeToken(token, trustListKind).claims
    return await verifyTrustList(token, { authority, now: iat * 1000 })
  }
}
