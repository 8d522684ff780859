import { createCipheriv, createDecipheriv, createHash, createSecretKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { pureJsCrypto } from '@chainsafe/libp2p-noise'
import type { ICryptoInterface } from '@chainsafe/libp2p-noise'
import { Uint8ArrayList } from 'uint8arraylist'

type Encrypt = ICryptoInterface['chaCha20Poly1305Encrypt']
type Decrypt = ICryptoInterface['chaCha20Poly1305Decrypt']
const cipher = 'chacha20-poly1305'
const tag = { authTagLength: 16 }

/**
 * Noise over node:crypto with one key object per session key: the library's own crypto makes a key object per
 * record, which costs a fifth of the throughput. Wire-compatible with it.
 */
export function createNoiseCrypto(): ICryptoInterface {
  const keys = new WeakMap<Uint8Array, KeyObject>()
  const keyObject = (key: Uint8Array): KeyObject => {
    const known = keys.get(key)
    if (known !== undefined) return known
    const made = createSecretKey(key)
    keys.set(key, made)
    return made
  }
  const chaCha20Poly1305Encrypt: Encrypt = (plaintext, nonce, associated, key) => {
    const sealing = createCipheriv(cipher, keyObject(key), nonce, tag)
    if (associated.byteLength > 0) {
      sealing.setAAD(associated, { plaintextLength: plaintext.byteLength })
    }
    const out = new Uint8ArrayList()
    for (const part of partsOf(plaintext)) out.append(sealing.update(part))
    sealing.final()
    out.append(sealing.getAuthTag())
    // The library bundles an older copy of the list type; the two differ in a private symbol only.
    return out as unknown as ReturnType<Encrypt>
  }
  const chaCha20Poly1305Decrypt: Decrypt = (ciphertext, nonce, associated, key) => {
    const length = ciphertext.byteLength - tag.authTagLength
    const opening = createDecipheriv(cipher, keyObject(key), nonce, tag)
    if (associated.byteLength > 0) opening.setAAD(associated, { plaintextLength: length })
    opening.setAuthTag(ciphertext.subarray(length))
    const body =
      ciphertext instanceof Uint8Array
        ? ciphertext.subarray(0, length)
        : ciphertext.sublist(0, length)
    const out = new Uint8ArrayList()
    for (const part of partsOf(body)) out.append(opening.update(part))
    // Throws when the tag is wrong; nothing has left this function until then.
    opening.final()
    return out as unknown as ReturnType<Decrypt>
  }
  return {
    ...pureJsCrypto,
    hashSHA256: (data) => {
      const hash = createHash('sha256')
      for (const part of partsOf(data)) hash.update(part)
      return hash.digest()
    },
    chaCha20Poly1305Encrypt,
    chaCha20Poly1305Decrypt,
  }
}

function partsOf(bytes: Uint8Array | Iterable<Uint8Array>): Iterable<Uint8Array> {
  return bytes instanceof Uint8Array ? [bytes] : bytes
}
