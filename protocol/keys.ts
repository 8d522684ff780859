import { ed25519 } from '@noble/curves/ed25519.js'
import { decodeBase58, decodeBase64url, encodeBase58, encodeBase64url, sha256 } from './bytes.ts'
import { canonicalJson } from './canonical-json.ts'
import { ProtocolError } from './errors.ts'
import { tokenLimits } from './limits.ts'
import { PeerIdString, PublicJwk } from './ids.ts'
import type { Kid, PrivateJwk } from './ids.ts'

/** Identity multihash (0x00, 36 bytes) of the libp2p public key message: type Ed25519, 32 bytes of key. */
const peerIdPrefix = Uint8Array.of(0x00, 0x24, 0x08, 0x01, 0x12, 0x20)
const keyBytes = 32

/** RFC 7638 thumbprint: how tokens name the key that signed them. */
export async function thumbprint(jwk: PublicJwk): Promise<Kid> {
  const { crv, kty, x } = jwk
  return encodeBase64url(await sha256(canonicalJson({ crv, kty, x }))) as Kid
}

/** The public half, without any other member. */
export function publicJwk(key: PublicJwk | PrivateJwk): PublicJwk {
  return { kty: key.kty, crv: key.crv, x: key.x }
}

/** The libp2p peer id of a key, so that one key is both a connection's identity and a token's. */
export function peerIdOf(jwk: PublicJwk): PeerIdString {
  const key = decodeBase64url(jwk.x)
  if (key.length !== keyBytes) throw new ProtocolError('key_weak', 'a key has 32 bytes')
  const bytes = new Uint8Array(peerIdPrefix.length + keyBytes)
  bytes.set(peerIdPrefix)
  bytes.set(key, peerIdPrefix.length)
  return encodeBase58(bytes) as PeerIdString
}

export function jwkOfPeerId(peer: PeerIdString): PublicJwk {
  const bytes = decodeBase58(peer, peerIdPrefix.length + keyBytes)
  const isEd25519 = peerIdPrefix.every((byte, at) => bytes[at] === byte)
  if (!isEd25519 || !PeerIdString.safeParse(peer).success) {
    throw new ProtocolError('bad_request', 'not an Ed25519 peer id')
  }
  const x = encodeBase64url(bytes.subarray(peerIdPrefix.length))
  return { kty: 'OKP', crv: 'Ed25519', x }
}

/**
 * Refuses keys under which a signature proves nothing: points of small order (one signature fits any message), points
 * outside the prime-order group, and other spellings of a point or of its base64url (one key, two names).
 */
export function checkPublicKey(jwk: PublicJwk): void {
  if (!PublicJwk.safeParse(jwk).success) {
    throw new ProtocolError('key_weak', 'not an Ed25519 public key')
  }
  if (strong.has(jwk.x)) return
  let point
  try {
    const bytes = decodeBase64url(jwk.x)
    point = ed25519.Point.fromBytes(bytes, false)
  } catch (cause) {
    throw new ProtocolError('key_weak', 'not a canonical Ed25519 point', { cause })
  }
  if (point.isSmallOrder()) throw new ProtocolError('key_weak', 'an Ed25519 point of small order')
  if (!point.isTorsionFree()) {
    throw new ProtocolError('key_weak', 'an Ed25519 point outside the prime-order group')
  }
  if (strong.size >= tokenLimits.strongKeysMax) strong.clear()
  strong.add(jwk.x)
}

/**
 * Points that were found good: the proof costs a millisecond, and the same few keys (issuers, witnesses, members) are
 * asked about with every message.
 */
const strong = new Set<string>()

/**
 * A private key must belong to the public half beside it, which other parties know it by. What is derived from a seed
 * is never weak.
 */
export function checkPrivateKey(key: PrivateJwk): void {
  let derived: string
  try {
    derived = privateJwk(decodeBase64url(key.d)).x
  } catch (cause) {
    throw new ProtocolError('key_weak', 'not an Ed25519 private key', { cause })
  }
  if (derived !== key.x) throw new ProtocolError('key_weak', 'private and public key do not match')
}

/** The key of a 32-byte seed. */
export function privateJwk(seed: Uint8Array): PrivateJwk {
  if (seed.length !== keyBytes) throw new ProtocolError('key_weak', 'a seed has 32 bytes')
  const x = encodeBase64url(ed25519.getPublicKey(Uint8Array.from(seed)))
  return { kty: 'OKP', crv: 'Ed25519', x, d: encodeBase64url(seed) }
}
