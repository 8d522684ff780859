import type { ErrorCode } from '../errors.ts'
import { listed, now, nowSeconds } from '../federation.fixture.ts'
import type { Federation } from '../federation.fixture.ts'
import type { Sha256 } from '../ids.ts'
import { tokenDigest } from '../jws.ts'
import { peerIdOf } from '../keys.ts'
import { answer, keysOf } from './cases.ts'
import type { Case } from './cases.ts'

/** Examples of what the authority and the registry sign, and of the request inside a grant. */
export async function registryCases(region: Federation): Promise<Case[]> {
  return [
    ...(await trustListCases(region)),
    ...(await credentialCases(region)),
    ...(await rekeyCases(region)),
    ...(await grantCases(region)),
    ...(await epochCases(region)),
  ]
}

async function trustListCases(region: Federation): Promise<Case[]> {
  const { authority, stranger, sign, claims } = region
  const one = (name: string, why: string, token: string, error?: ErrorCode): Case => ({
    name: `trust-list${name}`,
    ...answer(error),
    vector: { message: 'trust-list', why, now, authority: authority.kid, token },
  })
  const own = claims.trustList({ authority: { jwk: stranger.jwk } })
  const [issuer] = claims.trustList().issuers
  const issuers = issuer === undefined ? [] : [{ ...issuer, kid: stranger.kid }]
  return [
    one('', 'signed by the pinned authority', await sign.trustList()),
    one(
      '-of-another-authority',
      'correct in itself, but not of the pinned key',
      await stranger.signer.sign('cami-trust+jwt', own),
      'token_unknown_key',
    ),
    one(
      '-expired',
      'a list ends to the second',
      await sign.trustList({ exp: nowSeconds }),
      'token_expired',
    ),
    one(
      '-misnamed-issuer',
      'an issuing key is named by its thumbprint',
      await sign.trustList({ issuers }),
      'token_malformed',
    ),
  ]
}

async function trusted(region: Federation) {
  return { now, authority: region.authority.kid, trustList: await region.sign.trustList() }
}

async function credentialCases(region: Federation): Promise<Case[]> {
  const { sign, holder, grantee } = region
  const context = await trusted(region)
  const one = (name: string, why: string, token: string, error?: ErrorCode): Case => ({
    name: `credential${name}`,
    ...answer(error),
    vector: { message: 'credential', why, ...context, token },
  })
  const weak = { kty: 'OKP', crv: 'Ed25519', x: 'A'.repeat(43) } as const
  const byItself = await holder.signer.sign('cami-mo+jwt', region.claims.credential(holder))
  return [
    one('', 'signed by an issuing key of the trust list', await sign.credential(holder)),
    one('-self-signed', 'an organization does not vouch for itself', byItself, 'token_unknown_key'),
    one(
      '-expired-by-one-second',
      'a credential ends to the second',
      await sign.credential(holder, { exp: nowSeconds - 1 }),
      'token_expired',
    ),
    one(
      '-peer-id-of-another-key',
      'the connection must prove the key',
      await sign.credential(holder, { peer_id: grantee.peerId }),
      'peer_mismatch',
    ),
    one(
      '-weak-key',
      'vouched for, and worthless',
      await sign.credential(holder, { cnf: { jwk: weak }, peer_id: peerIdOf(weak) }),
      'key_weak',
    ),
  ]
}

async function rekeyCases(region: Federation): Promise<Case[]> {
  const { sign, claims, grantee, successor, stranger } = region
  const keys = keysOf(region)
  const one = (name: string, why: string, token: string, error?: ErrorCode): Case => ({
    name: `rekey${name}`,
    ...answer(error),
    vector: { message: 'rekey', why, now, keys, token },
  })
  const said = { ...claims.rekey(), prev_kid: grantee.kid, cnf: { jwk: successor.jwk } }
  const proof = await stranger.signer.sign('cami-rekey+jwt', said)
  const other = await successor.signer.sign('cami-rekey+jwt', { ...said, exp: said.exp - 1 })
  return [
    one('', 'the old key around the new one', await sign.rekey()),
    one(
      '-by-the-old-key-alone',
      'nobody shows that the new key exists',
      await grantee.signer.sign('cami-rekey+jwt', said),
      'token_malformed',
    ),
    one(
      '-with-the-proof-of-another-key',
      'the key that follows speaks for itself',
      await grantee.signer.sign('cami-rekey+jwt', { ...said, proof }),
      'token_unknown_key',
    ),
    one(
      '-of-two-minds',
      'both keys say the same',
      await grantee.signer.sign('cami-rekey+jwt', { ...said, proof: other }),
      'rekey_unproven',
    ),
    one(
      '-by-another-organization',
      'nobody changes the key of others',
      await sign.rekey({}, { old: stranger }),
      'token_unknown_key',
    ),
    one(
      '-expired',
      'one day to hand it in',
      await sign.rekey({ iat: nowSeconds - 86_400, exp: nowSeconds }),
      'token_expired',
    ),
  ]
}

async function grantCases(region: Federation): Promise<Case[]> {
  const { sign, issuer, grantee, stranger, claims } = region
  const context = await trusted(region)
  const keys = keysOf(region)
  const one = (name: string, why: string, token: string, error?: ErrorCode): Case => ({
    name: `grant${name}`,
    ...answer(error),
    vector: { message: 'grant', why, ...context, keys, token },
  })
  const request = (name: string, why: string, token: string, error?: ErrorCode): Case => ({
    name: `grant-request${name}`,
    ...answer(error),
    vector: { message: 'grant-request', why, now, keys, token },
  })
  const posing = await stranger.signer.sign('cami-grant-req+jwt', claims.grantRequest())
  const byRegistry = await issuer.signer.sign('cami-grant-req+jwt', claims.grantRequest())
  const around = (req: string) => issuer.signer.sign('cami-grant+jwt', claims.grant(req))
  return [
    request('', 'form 5, signed by the holder', await sign.grantRequest()),
    request('-of-another-key', 'a known key that is not the holder’s', posing, 'token_unknown_key'),
    request(
      '-user-of-a-third-organization',
      'a grant names users of the grantee only',
      await sign.grantRequest({ sub: stranger.urn }),
      'token_malformed',
    ),
    one('', 'signed by the holder, countersigned by the registry', await sign.grant()),
    one(
      '-shortened-by-the-registry',
      'the registry may end a grant earlier',
      await sign.grant({ exp: nowSeconds + 86_400 }),
    ),
    one(
      '-made-by-the-registry',
      'without the holder’s signature there is no grant',
      await around(byRegistry),
      'token_unknown_key',
    ),
    one(
      '-widened-by-the-registry',
      'the registry may not make a grant longer',
      await sign.grant({ exp: nowSeconds + 365 * 86_400 }),
      'grant_mismatch',
    ),
    one(
      '-turned-to-another-grantee',
      'the registry may not give it to somebody else',
      await sign.grant({ sub: stranger.urn }),
      'grant_mismatch',
    ),
    one(
      '-countersigned-by-the-grantee',
      'only an issuing key countersigns',
      await grantee.signer.sign('cami-grant+jwt', claims.grant(await sign.grantRequest())),
      'token_unknown_key',
    ),
  ]
}

async function epochCases(region: Federation): Promise<Case[]> {
  const { sign, holder, stranger } = region
  const context = { ...(await trusted(region)), audience: holder.urn }
  const row = await listed(await sign.grant())
  const prev = 'ab'.repeat(32) as Sha256
  const fifth = await sign.epoch([row], { epoch: 5, prev })
  const mark = { epoch: 5, digest: await tokenDigest(fifth) }
  const one = (name: string, why: string, token: string, error?: ErrorCode): Case => ({
    name: `epoch${name}`,
    ...answer(error),
    vector: { message: 'epoch', why, ...context, mark, token },
  })
  return [
    one('-again', 'the newest epoch, heard again', fifth),
    one(
      '-next',
      'the successor names its predecessor',
      await sign.epoch([row], { epoch: 6, prev: mark.digest }),
    ),
    one(
      '-later',
      'some were missed; the newest holds everything',
      await sign.epoch([row], { epoch: 9, prev }),
    ),
    one(
      '-rollback',
      'an older epoch would bring back what was revoked',
      await sign.epoch([row], { epoch: 4, prev }),
      'epoch_rollback',
    ),
    one(
      '-equivocation',
      'one number with two contents',
      await sign.epoch([], { epoch: 5, prev }),
      'epoch_equivocation',
    ),
    one(
      '-denies-its-predecessor',
      'a fork behind the last known epoch',
      await sign.epoch([row], { epoch: 6, prev }),
      'epoch_equivocation',
    ),
    one(
      '-for-another-holder',
      'an epoch has one audience',
      await sign.epoch([row], { epoch: 6, prev, aud: stranger.urn }),
      'token_wrong_audience',
    ),
    one(
      '-without-predecessor',
      'only the first has none',
      await sign.epoch([row], { epoch: 6 }),
      'token_malformed',
    ),
    one(
      '-grant-twice',
      'one grant has one state',
      await sign.epoch([row, row], { epoch: 6, prev }),
      'token_malformed',
    ),
    ...(await beatCases(region, mark.digest)),
  ]
}

async function beatCases(region: Federation, digest: Sha256): Promise<Case[]> {
  const { sign, holder } = region
  const context = { ...(await trusted(region)), audience: holder.urn }
  const beat = (name: string, why: string, token: string, error?: ErrorCode): Case => ({
    name: `beat${name}`,
    ...answer(error),
    vector: { message: 'beat', why, ...context, token },
  })
  return [
    beat('', 'the epoch is still the newest', await sign.beat(digest, { epoch: 5 })),
    beat(
      '-from-the-future',
      'freshness cannot be stored up',
      await sign.beat(digest, { iat: nowSeconds + 61 }),
      'token_not_yet_valid',
    ),
  ]
}
