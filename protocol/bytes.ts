import { ProtocolError } from './errors.ts'

/** Texts of byte strings, each with exactly one spelling: another one is refused, so that it can be a key. */

const alphabet64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const alphabet58 = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'
const values64 = new Int8Array(128).fill(-1)
for (let value = 0; value < 64; value++) values64[alphabet64.charCodeAt(value)] = value
const values58 = new Map(Array.from(alphabet58, (letter, value) => [letter, value]))

export function encodeBase64url(bytes: Uint8Array): string {
  let text = ''
  let bits = 0
  let held = 0
  for (const byte of bytes) {
    bits = ((bits & 0x3f) << 8) | byte
    held += 8
    for (; held >= 6; held -= 6) text += alphabet64.charAt((bits >> (held - 6)) & 63)
  }
  return held > 0 ? text + alphabet64.charAt((bits << (6 - held)) & 63) : text
}

/** Refuses padding, foreign letters and set trailing bits (RFC 4648 §3.5 leaves them to the decoder). */
export function decodeBase64url(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(Math.floor((text.length * 6) / 8))
  let bits = 0
  let held = 0
  let at = 0
  for (let i = 0; i < text.length; i++) {
    const value = values64[text.charCodeAt(i)] ?? -1
    if (value < 0) throw new ProtocolError('bad_request', 'not base64url')
    bits = ((bits & 0xff) << 6) | value
    held += 6
    if (held >= 8) bytes[at++] = (bits >> (held -= 8)) & 0xff
  }
  if (held >= 6 || (bits & ((1 << held) - 1)) !== 0) {
    throw new ProtocolError('bad_request', 'not canonical base64url')
  }
  return bytes
}

export function encodeBase58(bytes: Uint8Array): string {
  let number = 0n
  for (const byte of bytes) number = (number << 8n) | BigInt(byte)
  let text = ''
  for (; number > 0n; number /= 58n) text = alphabet58.charAt(Number(number % 58n)) + text
  for (const byte of bytes) {
    if (byte !== 0) break
    text = `1${text}`
  }
  return text
}

/** `length` is known to every caller, so that a long text costs nothing. */
export function decodeBase58(text: string, length: number): Uint8Array<ArrayBuffer> {
  let number = 0n
  if (text.length > length * 2) throw new ProtocolError('bad_request', 'base58 too long')
  for (const letter of text) {
    const value = values58.get(letter)
    if (value === undefined) throw new ProtocolError('bad_request', 'not base58')
    number = number * 58n + BigInt(value)
  }
  const bytes = new Uint8Array(length)
  for (let at = length - 1; at >= 0; at--, number >>= 8n) bytes[at] = Number(number & 0xffn)
  if (number !== 0n || encodeBase58(bytes) !== text) {
    throw new ProtocolError('bad_request', `not base58 of ${length} bytes`)
  }
  return bytes
}

export function toHex(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0')
  return text
}

/** WebCrypto takes only bytes that no other thread can change. */
export function owned(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer
    ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    : new Uint8Array(bytes)
}

export async function sha256(bytes: Uint8Array | string): Promise<Uint8Array<ArrayBuffer>> {
  const input = typeof bytes === 'string' ? new TextEncoder().encode(bytes) : owned(bytes)
  return new Uint8Array(await crypto.subtle.digest('SHA-256', input))
}
