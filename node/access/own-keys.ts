import { PublicJwk } from '#protocol/ids.ts'
import type { Kid } from '#protocol/ids.ts'
import type { Signer } from '#protocol/jws.ts'
import type { Records } from '../store/records.ts'

/** Own keys stay known: grants that an earlier key signed are this organization's own. */
export async function openOwnKeys(
  records: Pick<Records, 'put' | 'list'>,
  signer: Signer,
): Promise<ReadonlyMap<Kid, PublicJwk>> {
  const keys = new Map<Kid, PublicJwk>()
  for await (const { key, value } of records.list('own-key', PublicJwk)) {
    keys.set(key as Kid, value)
  }
  if (!keys.has(signer.kid)) await records.put('own-key', signer.kid, signer.jwk)
  return keys.set(signer.kid, signer.jwk)
}
