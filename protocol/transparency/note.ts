import { ed25519 } from '@noble/curves/ed25519.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { decodeBase64url, toHex } from '../bytes.ts'
import { ProtocolError } from '../errors.ts'
import type { PrivateJwk, PublicJwk } from '../ids.ts'
import { checkPublicKey, publicJwk } from '../keys.ts'
import { transparencyLimits } from '../limits.ts'

/**
 * Signed notes (C2SP signed-note): a text of lines, then one line for each signature. Signatures of keys that a reader
 * does not know are carried along and prove nothing.
 */
export const signatureType = { ed25519: 0x01, cosignature: 0x04 } as const
export type SignatureType = (typeof signatureType)[keyof typeof signatureType]

/** A key under its name in notes. The name is not signed, so no key serves two names. */
export type NoteKey = { name: string; type: SignatureType; jwk: PublicJwk }

export type NoteSignature = { name: string; keyId: string; bytes: Uint8Array }
export type Note = { text: string; signatures: NoteSignature[] }

const encoder = new TextEncoder()
/** Neither white space nor plus signs (C2SP); ours are ASCII. */
const namePattern = /^[\x21-\x2a\x2c-\x7e]{1,200}$/
const mark = '\u2014 '

/** The first four bytes of SHA-256(name, newline, type, key), in hexadecimal. */
export function keyIdOf({ name, type, jwk }: NoteKey): string {
  if (!namePattern.test(name)) throw new ProtocolError('bad_request', 'not a name for a note key')
  const key = decodeBase64url(jwk.x)
  return toHex(sha256(concat(encoder.encode(`${name}\n`), Uint8Array.of(type), key)).subarray(0, 4))
}

/** One line that says which key: `name+keyid+base64(type, key)`. */
export const verifierKey = (key: NoteKey): string =>
  `${key.name}+${keyIdOf(key)}+${toBase64(concat(Uint8Array.of(key.type), decodeBase64url(key.jwk.x)))}`

export function parseVerifierKey(line: string): NoteKey {
  const [name = '', keyId, ...rest] = line.split('+')
  const bytes = fromBase64(rest.join('+'))
  const type = bytes?.[0]
  if (
    bytes?.length === 33 &&
    (type === signatureType.ed25519 || type === signatureType.cosignature)
  ) {
    const jwk = { kty: 'OKP', crv: 'Ed25519', x: base64url(bytes.subarray(1)) } as PublicJwk
    checkPublicKey(jwk)
    const key = { name, type, jwk }
    if (keyIdOf(key) === keyId) return key
  }
  throw new ProtocolError('bad_request', 'not a verifier key')
}

/** Signs bytes with a private key; Ed25519 as in RFC 8032. */
export const signBytes = (key: PrivateJwk, message: Uint8Array): Uint8Array =>
  ed25519.sign(message, decodeBase64url(key.d))

/** Strict verification: one signature, one spelling. */
export function isSignedBy(jwk: PublicJwk, message: Uint8Array, signature: Uint8Array): boolean {
  try {
    return ed25519.verify(signature, message, decodeBase64url(jwk.x), { zip215: false })
  } catch {
    return false
  }
}

export function signNote(text: string, name: string, key: PrivateJwk): Note {
  const bytes = signBytes(key, encoder.encode(checkText(text)))
  const keyId = keyIdOf({ name, type: signatureType.ed25519, jwk: publicJwk(key) })
  return { text, signatures: [{ name, keyId, bytes }] }
}

/** Whether the note carries a valid plain signature of this key. */
export function isNoteSignedBy(note: Note, key: NoteKey): boolean {
  const message = encoder.encode(note.text)
  return signaturesOf(note, key).some(({ bytes }) => isSignedBy(key.jwk, message, bytes))
}

export function signaturesOf(note: Note, key: NoteKey): NoteSignature[] {
  const keyId = keyIdOf(key)
  return note.signatures.filter(({ name, keyId: id }) => name === key.name && id === keyId)
}

export function formatNote({ text, signatures }: Note): string {
  const lines = signatures.map(({ name, keyId, bytes }) => {
    const blob = concat(
      Uint8Array.from(keyId.match(/../g) ?? [], (pair) => parseInt(pair, 16)),
      bytes,
    )
    return `${mark}${name} ${toBase64(blob)}\n`
  })
  return `${checkText(text)}\n${lines.join('')}`
}

/** Form only. Throws `log_malformed`. */
export function parseNote(note: string): Note {
  if (note.length > transparencyLimits.noteBytes) throw malformed('a note is too large')
  const split = note.lastIndexOf('\n\n')
  if (split < 0 || !note.endsWith('\n')) throw malformed('a note without signatures')
  const text = checkText(note.slice(0, split + 1))
  const lines = note.slice(split + 2, -1).split('\n')
  if (lines.length > transparencyLimits.noteSignaturesMax) throw malformed('too many signatures')
  return { text, signatures: lines.map(parseSignature) }
}

function parseSignature(line: string): NoteSignature {
  const [, name = '', blob = ''] = /^\u2014 (\S+) (\S+)$/.exec(line) ?? []
  const bytes = fromBase64(blob)
  if (!namePattern.test(name) || bytes === undefined || bytes.length < 5) {
    throw malformed('a signature line is malformed')
  }
  return { name, keyId: toHex(bytes.subarray(0, 4)), bytes: bytes.subarray(4) }
}

function checkText(text: string): string {
  // eslint-disable-next-line no-control-regex -- that is what the specification forbids
  const isText = text.endsWith('\n') && text.isWellFormed() && !/[\x00-\x09\x0b-\x1f]/.test(text)
  if (!isText) throw malformed('not the text of a note')
  return text
}

const malformed = (what: string): ProtocolError => new ProtocolError('log_malformed', what)

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

export const toBase64 = (bytes: Uint8Array): string =>
  btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''))

const base64url = (bytes: Uint8Array): string =>
  toBase64(bytes).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')

/** Standard alphabet with padding, one spelling; `undefined` for anything else. */
export function fromBase64(text: string): Uint8Array | undefined {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.length % 4 !== 0) return undefined
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))
  return toBase64(bytes) === text ? bytes : undefined
}
