import { createHash } from 'node:crypto'
import type { Sha256 } from '#protocol/ids.ts'

export const digestOf = (bytes: Uint8Array): Sha256 =>
  createHash('sha256').update(bytes).digest('hex') as Sha256

/** SHA-256 of the concatenated chunk digests: what a data set is known by. */
export const rootOf = (chunks: readonly Sha256[]): Sha256 =>
  createHash('sha256')
    .update(Buffer.from(chunks.join(''), 'hex'))
    .digest('hex') as Sha256

const digestLetters = 64

/** The chunk digests of an answer, each 32 bytes. */
export function splitDigests(joined: string): Sha256[] {
  const hex = Buffer.from(joined, 'base64url').toString('hex')
  const digests: Sha256[] = []
  for (let at = 0; at + digestLetters <= hex.length; at += digestLetters) {
    digests.push(hex.slice(at, at + digestLetters) as Sha256)
  }
  return digests
}
