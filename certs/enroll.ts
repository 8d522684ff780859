import { encodeBase64url } from '#protocol/bytes.ts'
import { canonicalJson } from '#protocol/canonical-json.ts'
import { ProtocolError } from '#protocol/errors.ts'
import { fingerprintDigits } from '#protocol/fingerprint.ts'
import { OrganizationOid, oidOf, REGISTRY, ulid, urnOf } from '#protocol/ids.ts'
import type { PublicJwk } from '#protocol/ids.ts'
import { createSigner } from '#protocol/jws.ts'
import { publicJwk, thumbprint } from '#protocol/keys.ts'
import { tokenLimits } from '#protocol/limits.ts'
import { Challenge, possessionKind, verifyPossession } from '#protocol/possession.ts'
import type { Arguments } from './arguments.ts'
import type { Io } from './commands.ts'
import { describeKey } from './describe-key.ts'
import { readKeyFile, readPublicKeyFile, readSmallFile, writeNewFile } from './key-file.ts'

const invalid = (message: string, cause?: unknown): ProtocolError =>
  new ProtocolError('configuration_invalid', message, { cause })

/** The operator asks a key of form № 1 to prove itself. */
export async function makeChallenge(given: Arguments, io: Io): Promise<void> {
  const jwk = await readPublicKeyFile(given.text('key'))
  const oid = given.value('oid', OrganizationOid, 'an organization OID of the ФРМО register')
  const challenge: Challenge = {
    organization: urnOf(oid),
    jwk,
    nonce: encodeBase64url(io.random(32)),
    exp: Math.floor(io.clock() / 1000) + tokenLimits.proofLifetimeSeconds,
  }
  await writeNewFile(given.text('out'), `${canonicalJson(challenge)}\n`, 0o644)
  io.out(`organization ${oid}\n${await describeKey(jwk)}`)
}

/** The hospital answers with the key itself, and prints what is read aloud to the operator. */
export async function answerChallenge(given: Arguments, io: Io): Promise<void> {
  const key = await readKeyFile(given.text('key'))
  const signer = await createSigner(key)
  const file = given.text('challenge')
  const { organization, jwk, nonce, exp } = await readChallenge(file)
  if ((await thumbprint(jwk)) !== signer.kid) {
    throw invalid(`prove: ${file} is about another key than --key: ask the operator for a new one`)
  }
  const now = io.clock()
  const iat = Math.floor(now / 1000)
  if (iat >= exp) throw invalid(`prove: ${file} has run out: ask the operator for a new one`)
  const jti = ulid(now, io.random(10))
  const claims = { iss: organization, aud: REGISTRY, jti, iat, exp, nonce }
  const token = await signer.sign(possessionKind.typ, { ...claims, cnf: { jwk: publicJwk(key) } })
  await writeNewFile(given.text('out'), `${token}\n`, 0o644)
  io.out(`organization ${oidOf(organization)}\n${await describeKey(key)}`)
}

/**
 * The answer to the operator's own challenge, for the key whose digits were read aloud. Without both no credential is
 * issued: a public key can be copied from anywhere, and a file can be exchanged on its way.
 */
export async function provenKey(
  given: Arguments,
  { oid, jwk, now }: { oid: OrganizationOid; jwk: PublicJwk; now: number },
): Promise<string> {
  const missing = ['challenge', 'proof', 'digits'].filter(
    (name) => given.optional(name) === undefined,
  )
  if (missing.length > 0) {
    throw invalid(
      `credential: --${missing[0]} is missing: make a challenge, have the hospital prove its key, ` +
        'and let it read the digits aloud',
    )
  }
  const heard = given.text('digits').replaceAll(/\D/g, '')
  if (heard !== fingerprintDigits(await thumbprint(jwk)).replaceAll(' ', '')) {
    throw invalid('credential: --digits are not those of --key: the hospital has another key')
  }
  const challenge = await readChallenge(given.text('challenge'))
  const isAbout = challenge.organization === urnOf(oid) && challenge.jwk.x === jwk.x
  if (!isAbout) throw invalid('credential: --challenge is not about --oid and --key')
  const proof = (await readSmallFile(given.text('proof'), tokenLimits.proofBytes + 2)).trim()
  const { nonce } = challenge
  await verifyPossession(proof, { jwk, organization: urnOf(oid), nonce, now })
  return proof
}

async function readChallenge(file: string): Promise<Challenge> {
  const text = await readSmallFile(file, tokenLimits.proofBytes)
  try {
    return Challenge.parse(JSON.parse(text))
  } catch (cause) {
    throw invalid(`${file} is no challenge: give the file that certs challenge has written`, cause)
  }
}
