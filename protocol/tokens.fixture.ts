import { verifyAssertion } from './assertion.ts'
import { verifyCredential } from './credential.ts'
import { verifyBeat, verifyEpoch } from './epoch.ts'
import { ProtocolError } from './errors.ts'
import { createFederation, listed, nonce, now } from './federation.fixture.ts'
import { verifyGrant, verifyGrantRequest } from './grant.ts'
import type { Sha256 } from './ids.ts'
import { emptyHead, verifyIndexEntry } from './index-log.ts'
import type { TokenType } from './jws.ts'
import { verifyManifest } from './manifest.ts'
import { verifyPossession } from './possession.ts'
import { verifyReceipt } from './receipt.ts'
import { verifyRekey } from './rekey.ts'
import { verifyTrustList } from './trust-list.ts'

export type Sample = {
  typ: TokenType
  token: string
  /** Throws unless the token is exactly what its reader expects. */
  verify: (token: string) => Promise<unknown>
}

/** One good token of every type, each with the reader that believes it. */
export async function createSamples(): Promise<Sample[]> {
  const region = await createFederation()
  const { sign, authority, holder, grantee, holderKeyOf } = region
  const trust = region.claims.trustList()
  const grant = await sign.grant()
  const audience = holder.urn
  const head = { org: holder.oid, head: emptyHead, keyOf: () => holder.jwk }
  const peer = { jwk: grantee.jwk, kid: grantee.kid, audience, now }
  const samples: [TokenType, string, Sample['verify']][] = [
    [
      'cami-trust+jwt',
      await sign.trustList(),
      (token) => verifyTrustList(token, { authority: authority.kid, now }),
    ],
    [
      'cami-mo+jwt',
      await sign.credential(grantee),
      (token) => verifyCredential(token, { trust, now }),
    ],
    [
      'cami-rekey+jwt',
      await sign.rekey(),
      (token) => verifyRekey(token, { keyOf: holderKeyOf, now }),
    ],
    [
      'cami-proof+jwt',
      await sign.possession(),
      (token) =>
        verifyPossession(token, { jwk: grantee.jwk, organization: grantee.urn, nonce, now }),
    ],
    [
      'cami-grant-req+jwt',
      await sign.grantRequest(),
      (token) => verifyGrantRequest(token, { keyOf: holderKeyOf, now }),
    ],
    ['cami-grant+jwt', grant, (token) => verifyGrant(token, { trust, now, holderKeyOf })],
    ['cami-access+jwt', await sign.assertion(), (token) => verifyAssertion(token, peer)],
    [
      'cami-receipt+jwt',
      await sign.receipt(),
      (token) =>
        verifyReceipt(token, {
          keyOf: (_, iss) => (iss === holder.urn ? holder.jwk : undefined),
          audience: grantee.urn,
          now,
        }),
    ],
    [
      'cami-epoch+jwt',
      await sign.epoch([await listed(grant)]),
      (token) => verifyEpoch(token, { trust, audience, now }),
    ],
    [
      'cami-beat+jwt',
      await sign.beat('ab'.repeat(32) as Sha256),
      (token) => verifyBeat(token, { trust, audience, now }),
    ],
    ['cami-index+jwt', await sign.indexEntry(), (token) => verifyIndexEntry(token, head)],
    [
      'cami-manifest+jws',
      await sign.manifest(),
      (token) => verifyManifest(token, { holder: holder.oid, jwk: holder.jwk }),
    ],
  ]
  return samples.map(([typ, token, verify]) => ({ typ, token, verify }))
}

/** The code with which a token is refused; `accepted` when it is not, and the error itself when it is no refusal. */
export async function refusalOf(sample: Sample, token: string): Promise<string> {
  try {
    await sample.verify(token)
    return 'accepted'
  } catch (error) {
    return error instanceof ProtocolError ? error.code : String(error)
  }
}

/** Every token that differs from this one in one bit, by position and bit; `step` leaves most of them out. */
export function* flips(token: string, step: number): Generator<string> {
  for (let at = 0; at < token.length * 8; at += step) {
    const letter = token.charCodeAt(at >> 3) ^ (1 << (at & 7))
    yield token.slice(0, at >> 3) + String.fromCharCode(letter) + token.slice((at >> 3) + 1)
  }
}
