import { canonicalJson } from '../canonical-json.ts'
import type { ErrorCode } from '../errors.ts'
import { forge, headerOf, now, nowSeconds, studyRecord } from '../federation.fixture.ts'
import type { Federation } from '../federation.fixture.ts'
import type { Sha256 } from '../ids.ts'
import { emptyHead } from '../index-log.ts'
import type { IndexEntry } from '../index-log.ts'
import { tokenDigest } from '../jws.ts'
import { answer, keysOf } from './cases.ts'
import type { Case } from './cases.ts'

/** Examples of what nodes sign about their own users and studies. */
export async function nodeCases(region: Federation): Promise<Case[]> {
  return [
    ...(await assertionCases(region)),
    ...(await profileCases(region)),
    ...(await indexCases(region)),
    ...(await manifestCases(region)),
  ]
}

async function assertionCases(region: Federation): Promise<Case[]> {
  const { sign, holder, grantee, stranger, claims } = region
  const context = { now, jwk: grantee.jwk, audience: holder.urn }
  const one = (name: string, why: string, token: string, error?: ErrorCode): Case => ({
    name: `assertion${name}`,
    ...answer(error),
    vector: { message: 'assertion', why, ...context, token },
  })
  const late = { iat: nowSeconds - 360, exp: nowSeconds - 60, auth_time: nowSeconds - 400 }
  const forged = await stranger.signer.sign('cami-access+jwt', claims.assertion())
  return [
    one('', 'one user, one study, one use', await sign.assertion()),
    one(
      '-within-clock-tolerance',
      'clocks may differ by a minute',
      await sign.assertion({ ...late, iat: late.iat + 1, exp: late.exp + 1 }),
    ),
    one(
      '-expired',
      'five minutes and the tolerance are over',
      await sign.assertion(late),
      'token_expired',
    ),
    one(
      '-for-six-minutes',
      'it may live for 300 s',
      await sign.assertion({ exp: nowSeconds + 301 }),
      'token_malformed',
    ),
    one(
      '-from-the-future',
      'made more than a minute ahead',
      await sign.assertion({ iat: nowSeconds + 61 }),
      'token_not_yet_valid',
    ),
    one(
      '-for-another-holder',
      'it has one audience',
      await sign.assertion({ aud: stranger.urn }),
      'token_wrong_audience',
    ),
    one(
      '-of-another-peer',
      'signed by a key that is not this connection’s',
      forged,
      'token_unknown_key',
    ),
    one(
      '-for-a-user-of-another-organization',
      'an organization asserts its own users',
      await sign.assertion({ iss: stranger.urn }),
      'token_wrong_issuer',
    ),
    one(
      '-before-signing-in',
      'the user signed in after it was made',
      await sign.assertion({ auth_time: nowSeconds + 1 }),
      'token_malformed',
    ),
  ]
}

/** What every reader of a token must refuse, shown on the assertion. */
async function profileCases(region: Federation): Promise<Case[]> {
  const { holder, grantee } = region
  const context = { now, jwk: grantee.jwk, audience: holder.urn }
  const one: One = (name, why, token, error = 'token_malformed') => ({
    name: `jws-${name}`,
    error,
    vector: { message: 'assertion', why, ...context, token },
  })
  return [...contentCases(region, one), ...(await spellingCases(region, one))]
}

type One = (name: string, why: string, token: string, error?: ErrorCode) => Case

function contentCases({ holder, grantee, stranger, claims }: Federation, one: One): Case[] {
  const typ = 'cami-access+jwt'
  const text = canonicalJson(claims.assertion())
  const header = (over: Record<string, unknown>) =>
    forge(grantee.key, headerOf(grantee, typ, over), text)
  const payload = (text: string) => forge(grantee.key, headerOf(grantee, typ), text)
  return [
    one('alg-none', 'no signature at all', header({ alg: 'none' })),
    one('alg-eddsa', 'the deprecated name: one algorithm has one name', header({ alg: 'EdDSA' })),
    one(
      'header-with-key',
      'a token does not bring the key it is checked with',
      header({ jwk: stranger.jwk }),
    ),
    one('header-with-crit', 'no extensions', header({ crit: ['b64'], b64: false })),
    one(
      'wrong-type',
      'a message of another kind',
      header({ typ: 'cami-beat+jwt' }),
      'token_wrong_type',
    ),
    one(
      'unknown-claim',
      'schemas are strict',
      payload(canonicalJson({ ...claims.assertion(), admin: true })),
    ),
    one(
      'duplicate-claim',
      'readers differ in which one they take',
      payload(text.replace('{', '{"amr":["pwd"],')),
    ),
    one(
      'two-audiences',
      'an audience is one string',
      payload(canonicalJson({ ...claims.assertion(), aud: [holder.urn, stranger.urn] })),
    ),
    one(
      'too-large',
      'an assertion has at most 4 KiB',
      payload(canonicalJson({ ws: 'a'.repeat(3000) })),
      'too_large',
    ),
  ]
}

async function spellingCases({ sign }: Federation, one: One): Promise<Case[]> {
  const token = await sign.assertion()
  const [head = '', body = '', signature = ''] = token.split('.')
  const next = String.fromCharCode(signature.charCodeAt(85) + 1)
  return [
    one('trailing-space', 'one token has one spelling', `${token} `),
    one(
      'trailing-bits',
      'unused bits of the last letter are zero',
      `${head}.${body}.${signature.slice(0, 85)}${next}`,
    ),
    one('padding', 'base64url has no padding here', `${token}==`),
    one(
      'another-signature',
      'of nothing',
      `${head}.${body}.${'A'.repeat(86)}`,
      'token_bad_signature',
    ),
  ]
}

async function indexCases(region: Federation): Promise<Case[]> {
  const { sign, holder, stranger } = region
  const keys = keysOf(region)
  const first = await sign.indexEntry()
  const head = { seq: 1, digest: await tokenDigest(first) }
  const removed = {
    kind: 'study-removed',
    record: { study: studyRecord.study },
  } as Partial<IndexEntry>
  const second = await sign.indexEntry({ seq: 2, prev: head.digest, ...removed })
  const org = holder.oid
  type Item = { org: typeof org; seq: number } & ({ entry: string } | { withheld: Sha256 })
  const one = (name: string, why: string, item: Item, error?: ErrorCode): Case => ({
    name: `index-${name}`,
    ...answer(error),
    vector: { message: 'index-item', why, org, head, keys, item },
  })
  const begin: Case = {
    name: 'index-first',
    vector: {
      message: 'index-item',
      why: 'the first entry follows 64 zeros',
      org,
      head: emptyHead,
      keys,
      item: { org, seq: 1, entry: first },
    },
  }
  const entry = (over: Partial<IndexEntry>) =>
    sign.indexEntry({ seq: 2, prev: head.digest, ...over })
  return [
    begin,
    one('next', 'a study was removed', { org, seq: 2, entry: second }),
    one('withheld', 'not for this reader; its digest keeps the chain', {
      org,
      seq: 2,
      withheld: await tokenDigest(second),
    }),
    one('gap', 'entry 2 is missing', { org, seq: 3, entry: await entry({ seq: 3 }) }, 'log_gap'),
    one(
      'fork',
      'it follows another first entry',
      { org, seq: 2, entry: await entry({ prev: 'ab'.repeat(32) as Sha256 }) },
      'log_fork',
    ),
    one(
      'foreign',
      'an organization writes about its own studies only',
      { org, seq: 2, entry: await entry({ org: stranger.urn }) },
      'log_foreign',
    ),
    one(
      'unknown-version',
      'a reader does not guess',
      { org, seq: 2, entry: await entry({ v: 2 as 1 }) },
      'token_malformed',
    ),
  ]
}

async function manifestCases(region: Federation): Promise<Case[]> {
  const { sign, holder, stranger, claims } = region
  const one = (name: string, why: string, token: string, error?: ErrorCode): Case => ({
    name: `manifest${name}`,
    ...answer(error),
    vector: { message: 'manifest', why, holder: holder.oid, jwk: holder.jwk, token },
  })
  const forged = await stranger.signer.sign('cami-manifest+jws', claims.manifest())
  return [
    one('', 'of a study that still grows', await sign.manifest()),
    one('-forged', 'signed by somebody else', forged, 'token_unknown_key'),
    one(
      '-of-another-holder',
      'signed by the holder in another’s name',
      await sign.manifest({ iss: stranger.urn }),
      'token_wrong_issuer',
    ),
    one(
      '-without-pages',
      'a study has at least one instance',
      await sign.manifest({ pages: [] }),
      'token_malformed',
    ),
  ]
}
