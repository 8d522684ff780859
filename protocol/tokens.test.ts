import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseCanonicalJson } from './canonical-json.ts'
import { createFederation, forge, headerOf } from './federation.fixture.ts'
import type { Party } from './federation.fixture.ts'
import { createSamples, flips, refusalOf } from './tokens.fixture.ts'
import type { TokenType } from './jws.ts'

const samples = await createSamples()
const region = await createFederation()
const { authority, issuer, holder, grantee, stranger } = region
const signers: Record<TokenType, Party> = {
  'cami-trust+jwt': authority,
  'cami-mo+jwt': issuer,
  'cami-rekey+jwt': grantee,
  'cami-proof+jwt': grantee,
  'cami-grant-req+jwt': holder,
  'cami-grant+jwt': issuer,
  'cami-access+jwt': grantee,
  'cami-receipt+jwt': holder,
  'cami-epoch+jwt': issuer,
  'cami-beat+jwt': issuer,
  'cami-index+jwt': holder,
  'cami-manifest+jws': holder,
}
const refusals =
  /^(token_\w+|too_large|grant_mismatch|peer_mismatch|key_weak|log_\w+|\w+_unproven)$/
const claimsOf = (token: string) =>
  parseCanonicalJson(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Record<
    string,
    unknown
  >

for (const sample of samples) {
  const signer = signers[sample.typ]
  const claims = claimsOf(sample.token)
  const resigned = (over: Record<string, unknown>) =>
    signer.signer.sign(sample.typ, { ...claims, ...over })

  test(`${sample.typ}: the good one is accepted`, async () => {
    assert.equal(await refusalOf(sample, sample.token), 'accepted')
    assert.equal(await resigned({}), sample.token)
  })

  test(`${sample.typ}: no changed bit is accepted (one of 61 bits)`, async () => {
    for (const token of flips(sample.token, 61)) {
      assert.match(await refusalOf(sample, token), refusals)
    }
  })

  test(`${sample.typ}: no token of another type is accepted`, async () => {
    for (const other of samples) {
      if (other.typ === sample.typ) continue
      assert.match(await refusalOf(sample, other.token), /^(token_wrong_type|too_large)$/)
      // The same claims under the right type: one message is never another.
      const relabelled = forge(
        signer.key,
        headerOf(signer, sample.typ),
        Buffer.from(other.token.split('.')[1] ?? '', 'base64url').toString(),
      )
      assert.equal(await refusalOf(sample, relabelled), 'token_malformed')
    }
  })

  test(`${sample.typ}: no other party's signature is accepted`, async () => {
    for (const party of [authority, issuer, region.registry, holder, grantee, stranger]) {
      if (party === signer) continue
      const own = await party.signer.sign(sample.typ, claims)
      assert.equal(await refusalOf(sample, own), 'token_unknown_key')
      const posing = headerOf(signer, sample.typ)
      const payload = Buffer.from(sample.token.split('.')[1] ?? '', 'base64url').toString()
      assert.equal(
        await refusalOf(sample, forge(party.key, posing, payload)),
        'token_bad_signature',
      )
    }
  })

  for (const claim of ['iss', 'aud', 'sub', 'org', 'holder']) {
    const found = claims[claim]
    if (typeof found !== 'string') continue
    // Who a user or an organization is, may change in these; the decision compares it with the connection.
    const isFree = `${sample.typ} ${claim}` === 'cami-grant-req+jwt sub'
    if (isFree) continue
    test(`${sample.typ}: another ${claim} is refused, although signed`, async () => {
      const others = ['urn:cami:registry', 'urn:cami:authority', 'urn:cami:federation']
      for (const other of [...others, stranger.urn, [found], null, '', `${found} `]) {
        if (other === found) continue
        if (sample.typ === 'cami-mo+jwt' && claim === 'sub' && other === stranger.urn) continue
        assert.match(await refusalOf(sample, await resigned({ [claim]: other })), refusals)
      }
    })
  }

  test(`${sample.typ}: without any one of its claims it is refused`, async () => {
    for (const name of Object.keys(claims)) {
      const rest = Object.fromEntries(Object.entries(claims).filter(([key]) => key !== name))
      const token = await signer.signer.sign(sample.typ, rest)
      assert.equal(await refusalOf(sample, token), 'token_malformed', name)
    }
  })

  test(`${sample.typ}: with a claim more it is refused`, async () => {
    for (const more of ['admin', 'nonce', 'crit', '__proto__']) {
      const text = `{${JSON.stringify(more)}:1,`
      const all = { ...claims }
      Object.defineProperty(all, more, { value: 1, enumerable: true })
      const token = await signer.signer.sign(sample.typ, all)
      assert.ok(Buffer.from(token.split('.')[1] ?? '', 'base64url').includes(text.slice(1, -1)))
      assert.equal(await refusalOf(sample, token), 'token_malformed', more)
    }
  })
}
