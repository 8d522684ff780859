import { verifyAssertion } from './assertion.ts'
import { parseCanonicalJson } from './canonical-json.ts'
import { verifyCredential } from './credential.ts'
import { verifyBeat, verifyEpoch } from './epoch.ts'
import { forge, headerOf, now } from './federation.fixture.ts'
import type { Federation, Party } from './federation.fixture.ts'
import { verifyGrant } from './grant.ts'
import type { Sha256 } from './ids.ts'
import { verifyIndexEntry } from './index-log.ts'
import type { TokenType } from './jws.ts'
import { verifyManifest } from './manifest.ts'
import { verifyRekey } from './rekey.ts'
import type { Sample } from './tokens.fixture.ts'
import { verifyTrustList } from './trust-list.ts'
import type { Chance } from './volume.fixture.ts'

const parties = ['authority', 'issuer', 'registry', 'holder', 'grantee', 'stranger'] as const

/** Whose key a genuine token names. */
function signerOf(region: Federation, token: string): Party {
  const { kid } = JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()) as {
    kid: string
  }
  const found = parties.map((name) => region[name]).find((party) => party.kid === kid)
  if (found === undefined) throw new Error('signed by nobody of the region')
  return found
}

export const payloadOf = (token: string): string =>
  Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()

export const claimsOf = (token: string): Record<string, unknown> =>
  parseCanonicalJson(payloadOf(token)) as Record<string, unknown>

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/** One way to make, of good tokens, one that must not be accepted as `sample` is. */
export type Mutation = (chance: Chance, sample: Sample) => string | Promise<string>

/** Ways that need no signature are the fast ones; they come first. */
export function createMutations(
  region: Federation,
  samples: readonly Sample[],
): Record<string, { weight: number; make: Mutation }> {
  const otherThan = (chance: Chance, signer: Party): Party =>
    chance.pick(parties.map((name) => region[name]).filter((party) => party !== signer))
  return {
    'two bits': { weight: 45, make: twoBits },
    letters: { weight: 15, make: otherLetters },
    parts: { weight: 15, make: (chance, sample) => otherParts(chance, sample, samples) },
    'another kind': {
      weight: 6,
      make: (chance, { typ }) => chance.pick(samples.filter((one) => one.typ !== typ)).token,
    },
    typ: {
      weight: 5,
      // The right claims of another kind under this one's type, signed by the right key.
      make(chance, sample) {
        const other = chance.pick(samples.filter((one) => one.typ !== sample.typ))
        return signerOf(region, sample.token).signer.sign(sample.typ, claimsOf(other.token))
      },
    },
    'claim of a party': {
      weight: 7,
      make: (chance, sample) => otherClaim(chance, sample, region),
    },
    key: {
      weight: 5,
      make: (chance, { typ, token }) =>
        otherThan(chance, signerOf(region, token)).signer.sign(typ, claimsOf(token)),
    },
    'kid of the right key': {
      weight: 2,
      make(chance, { typ, token }) {
        const signer = signerOf(region, token)
        return forge(otherThan(chance, signer).key, headerOf(signer, typ), payloadOf(token))
      },
    },
  }
}

function twoBits({ below }: Chance, { token }: Sample): string {
  const bits = token.length * 8
  const one = below(bits)
  const other = (one + 1 + below(bits - 1)) % bits
  const bytes = Buffer.from(token, 'latin1')
  for (const bit of [one, other]) {
    const at = bit >> 3
    bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << (bit & 7)), at)
  }
  return bytes.toString('latin1')
}

/** One letter replaced, left out or put in, all within the alphabet. */
function otherLetters(chance: Chance, { token }: Sample): string {
  const at = chance.below(token.length)
  const [before, letter, rest] = [token.slice(0, at), token[at], token.slice(at + 1)]
  const other = chance.pick(letters.split('').filter((one) => one !== letter))
  return chance.pick([before + other + rest, before + rest, before + other + letter + rest])
}

/** Header, claims and signature of genuine tokens that do not belong together. */
function otherParts(chance: Chance, sample: Sample, samples: readonly Sample[]): string {
  const parts = [0, 1, 2].map((at) => ({ at, of: chance.pick([sample, chance.pick(samples)]) }))
  const isWhole = parts.every(({ of }) => of === sample)
  const chosen = isWhole ? parts.with(2, { at: 2, of: chance.pick(samples.slice(1)) }) : parts
  const token = chosen.map(({ at, of }) => of.token.split('.')[at]).join('.')
  // What was put together may by chance be whole again.
  return token === sample.token ? `${token}.` : token
}

/**
 * Properly signed, with another issuer, audience, subject or holder. A grant request may name any grantee, a credential
 * any organization: who that is, the decision compares.
 */
async function otherClaim(
  chance: Chance,
  { typ, token }: Sample,
  region: Federation,
): Promise<string> {
  const { signer } = signerOf(region, token)
  const claims = claimsOf(token)
  const named = ['iss', 'aud', 'sub', 'org', 'holder'].filter(
    (name) => typeof claims[name] === 'string' && !isFree(typ, name),
  )
  const name = chance.pick(named)
  const found = claims[name] as string
  const { holder, grantee, stranger } = region
  const urns = ['urn:cami:registry', 'urn:cami:authority', 'urn:cami:federation']
  const others = [...urns, holder.urn, grantee.urn, stranger.urn, [found], null, '', `${found} `]
  const other = chance.pick(others.filter((one) => one !== found))
  return await signer.sign(typ, { ...claims, [name]: other })
}

const isFree = (typ: TokenType, name: string): boolean =>
  name === 'sub' && (typ === 'cami-grant-req+jwt' || typ === 'cami-mo+jwt')

/** A genuine token where, or when, it does not belong; of each kind that has a place or a time. */
export function createReplays(
  region: Federation,
): Record<string, (chance: Chance) => Promise<unknown>> {
  const { sign, claims, holder, grantee, stranger, authority, holderKeyOf } = region
  const trust = claims.trustList()
  const audience = holder.urn
  const year = 365 * 24 * 3_600_000
  const after = ({ below }: Chance, ms: number): number => now + ms + below(10 * year)
  const tokens = {
    trust: sign.trustList(),
    credential: sign.credential(grantee),
    rekey: sign.rekey(),
    grant: sign.grant(),
    assertion: sign.assertion(),
    epoch: sign.epoch([]),
    beat: sign.beat('ab'.repeat(32) as Sha256),
    entry: sign.indexEntry(),
    manifest: sign.manifest(),
  }
  const peer = { jwk: grantee.jwk, kid: grantee.kid, audience, now }
  const others = [grantee.urn, stranger.urn]
  return {
    'a trust list of the past': async (chance) =>
      verifyTrustList(await tokens.trust, { authority: authority.kid, now: after(chance, year) }),
    'a credential of the past': async (chance) =>
      verifyCredential(await tokens.credential, { trust, now: after(chance, year) }),
    'a change of key of the past': async (chance) =>
      verifyRekey(await tokens.rekey, { keyOf: holderKeyOf, now: after(chance, year / 365) }),
    'a grant of the future': async ({ below }) =>
      verifyGrant(await tokens.grant, { trust, now: now - year - below(year), holderKeyOf }),
    'an assertion of the past': async (chance) =>
      verifyAssertion(await tokens.assertion, { ...peer, now: after(chance, 360_000) }),
    'an assertion at another holder': async ({ pick }) =>
      verifyAssertion(await tokens.assertion, { ...peer, audience: pick(others) }),
    'an assertion over another’s connection': async ({ pick }) => {
      const { jwk, kid } = pick([holder, stranger])
      return await verifyAssertion(await tokens.assertion, { ...peer, jwk, kid })
    },
    'an epoch at another holder': async ({ pick }) =>
      verifyEpoch(await tokens.epoch, { trust, audience: pick(others), now }),
    'a beat at another holder': async ({ pick }) =>
      verifyBeat(await tokens.beat, { trust, audience: pick(others), now }),
    'an index entry at another place': async ({ below }) => {
      const head = { seq: 1 + below(1e6), digest: 'cd'.repeat(32) as Sha256 }
      return await verifyIndexEntry(await tokens.entry, {
        org: holder.oid,
        head,
        keyOf: () => holder.jwk,
      })
    },
    'a manifest of another holder': async ({ pick }) => {
      const { oid, jwk } = pick([grantee, stranger])
      return await verifyManifest(await tokens.manifest, { holder: oid, jwk })
    },
  }
}
