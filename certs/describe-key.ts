import { fingerprintDigits } from '#protocol/fingerprint.ts'
import type { PublicJwk } from '#protocol/ids.ts'
import { peerIdOf, thumbprint } from '#protocol/keys.ts'

/** What is compared on paper and by telephone. */
export async function describeKey(key: PublicJwk): Promise<string> {
  const kid = await thumbprint(key)
  return [
    `thumbprint  ${kid}\n`,
    `digits      ${fingerprintDigits(kid)}\n`,
    `peer id     ${peerIdOf(key)}\n`,
  ].join('')
}
