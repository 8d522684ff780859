import { ProtocolError } from '../errors.ts'
import type { PrivateJwk } from '../ids.ts'
import { publicJwk } from '../keys.ts'
import { type Hash, hashBytes } from './merkle.ts'
import {
  concat,
  fromBase64,
  isSignedBy,
  keyIdOf,
  type Note,
  type NoteKey,
  type NoteSignature,
  signatureType,
  signaturesOf,
  signBytes,
  toBase64,
} from './note.ts'

/** What a log says of itself (C2SP tlog-checkpoint): so many entries, this root. */
export type Checkpoint = { origin: string; size: number; root: Hash }

const encoder = new TextEncoder()

export const checkpointText = ({ origin, size, root }: Checkpoint): string =>
  `${origin}\n${size}\n${toBase64(root)}\n`

/** Reads the text of a note; extension lines are not used here and refused. Throws `log_malformed`. */
export function parseCheckpoint(text: string): Checkpoint {
  const [origin = '', size = '', root = '', end, ...more] = text.split('\n')
  const hash = fromBase64(root)
  const isSize = /^(?:0|[1-9]\d{0,15})$/.test(size) && Number.isSafeInteger(Number(size))
  if (origin === '' || !isSize || hash?.length !== hashBytes || end !== '' || more.length > 0) {
    throw new ProtocolError('log_malformed', 'not a checkpoint')
  }
  return { origin, size: Number(size), root: hash }
}

/**
 * A witness's signature (C2SP tlog-cosignature): at `seconds` it had seen no other history of this log. Eight bytes of
 * time, then the signature.
 */
export function cosign(
  text: string,
  witness: { name: string; key: PrivateJwk },
  seconds: number,
): NoteSignature {
  const time = new Uint8Array(8)
  new DataView(time.buffer).setBigUint64(0, BigInt(seconds))
  const jwk = publicJwk(witness.key)
  const keyId = keyIdOf({ name: witness.name, type: signatureType.cosignature, jwk })
  const bytes = concat(time, signBytes(witness.key, cosigned(text, seconds)))
  return { name: witness.name, keyId, bytes }
}

/** When the witness signed, in seconds; `undefined` without a valid cosignature of this key. */
export function cosignedAt(note: Note, witness: NoteKey): number | undefined {
  for (const { bytes } of signaturesOf(note, witness)) {
    if (bytes.length !== 72) continue
    const view = new DataView(bytes.buffer, bytes.byteOffset, 8)
    const seconds = Number(view.getBigUint64(0))
    if (!Number.isSafeInteger(seconds)) continue
    if (isSignedBy(witness.jwk, cosigned(note.text, seconds), bytes.subarray(8))) return seconds
  }
  return undefined
}

const cosigned = (text: string, seconds: number): Uint8Array =>
  encoder.encode(`cosignature/v1\ntime ${seconds}\n${text}`)

/**
 * How many of `witnesses` must have signed so that two quorums share an honest one, when up to a quarter of them lies:
 * more than half of honest and lying together.
 */
export function quorumOf(witnesses: number): number {
  if (witnesses === 0) return 0
  const lying = Math.floor((witnesses - 1) / 4)
  return Math.floor((witnesses + lying) / 2) + 1
}

/** Witnesses whose cosignature is not older than `notBefore` (seconds). */
export function countWitnesses(
  note: Note,
  witnesses: readonly NoteKey[],
  notBefore: number,
): number {
  return witnesses.filter((witness) => (cosignedAt(note, witness) ?? -1) >= notBefore).length
}
