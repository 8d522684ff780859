import type { PrivateJwk } from '#protocol/ids.ts'
import { checkPrivateKey, privateJwk } from '#protocol/keys.ts'

/** A new Ed25519 key; the key of a 32-byte seed when one is given, so that simulations repeat themselves. */
export function createKey(seed?: Uint8Array): PrivateJwk {
  const key = privateJwk(seed ?? crypto.getRandomValues(new Uint8Array(32)))
  checkPrivateKey(key)
  return key
}
