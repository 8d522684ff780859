import { privateKeyFromRaw, publicKeyFromRaw } from '@libp2p/crypto/keys'
import type { PrivateKey } from '@libp2p/interface'
import { peerIdFromPublicKey } from '@libp2p/peer-id'
import type { PeerIdString, PrivateJwk, PublicJwk } from '../ids.ts'

const bytesOf = (base64url: string): Uint8Array => Buffer.from(base64url, 'base64url')

/** The Noise identity of a node: the same Ed25519 key that signs its tokens (libp2p keeps seed and public half). */
export function privateKeyOf(jwk: PrivateJwk): PrivateKey {
  return privateKeyFromRaw(Buffer.concat([bytesOf(jwk.d), bytesOf(jwk.x)]))
}

/** The peer id that Noise proves for this key. */
export function peerIdOf(jwk: PublicJwk): PeerIdString {
  const key = publicKeyFromRaw(bytesOf(jwk.x))
  return peerIdFromPublicKey(key).toString() as PeerIdString
}
