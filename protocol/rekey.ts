import { z } from 'zod'
import { credentialKind } from './credential.ts'
import type { Credential } from './credential.ts'
import { ProtocolError, codeOf } from './errors.ts'
import { Kid, OrganizationUrn, PublicJwk, REGISTRY, Seconds, Ulid, oidOf } from './ids.ts'
import type { OrganizationOid } from './ids.ts'
import { verifyToken } from './jws.ts'
import type { Signer, TokenKind, Verified } from './jws.ts'
import { checkPublicKey, thumbprint } from './keys.ts'
import { rekeyLimits, tokenLimits } from './limits.ts'
import { checkIssued, checkLifetime, checkValidity } from './times.ts'
import { issuerKey } from './trust-list.ts'
import type { TrustList } from './trust-list.ts'

/**
 * `typ: cami-rekey+jwt`: an organization's key changes. The old key signs it around the same statement signed by the new
 * key: the old one says who follows it, the new one that it exists and agrees.
 */
export const Rekey = z.strictObject({
  iss: OrganizationUrn,
  aud: z.literal(REGISTRY),
  jti: Ulid,
  iat: Seconds,
  exp: Seconds,
  prev_kid: Kid,
  cnf: z.strictObject({ jwk: PublicJwk }),
  /** The same statement signed by the new key; absent in that one. */
  proof: z.string().min(1).exactOptional(),
})
export type Rekey = z.infer<typeof Rekey>

export const rekeyKind: TokenKind<Rekey> = {
  typ: 'cami-rekey+jwt',
  schema: Rekey,
  maxBytes: tokenLimits.rekeyBytes,
}

export async function signRekey(
  claims: Omit<Rekey, 'proof' | 'prev_kid' | 'cnf'>,
  { old, next }: { old: Signer; next: Signer },
): Promise<string> {
  const said: Rekey = { ...claims, prev_kid: old.kid, cnf: { jwk: next.jwk } }
  const proof = await next.sign(rekeyKind.typ, said)
  return await old.sign(rekeyKind.typ, { ...said, proof })
}

/** The key that follows, on the word of both. `keyOf` answers with the old key, if it is this organization's. */
export async function verifyRekey(
  token: string,
  expected: {
    keyOf: (kid: Kid, organization: OrganizationOid) => PublicJwk | undefined
    /** Absent when a change of the past is read. */
    now?: number
  },
): Promise<Verified<Rekey> & { next: Kid }> {
  const verified = await verifyToken(token, rekeyKind, (kid, { iss }) =>
    expected.keyOf(kid, oidOf(iss)),
  )
  const { kid, claims } = verified
  const { proof, ...said } = claims
  if (proof === undefined) throw new ProtocolError('token_malformed', 'no word of the new key')
  if (claims.prev_kid !== kid)
    throw new ProtocolError('rekey_unproven', 'not of the key that signs')
  checkLifetime(claims, tokenLimits.rekeyLifetimeSeconds)
  if (expected.now !== undefined) {
    checkIssued(claims, expected.now)
    checkValidity({ ...claims, nbf: claims.iat }, expected.now)
  }
  const { jwk } = claims.cnf
  checkPublicKey(jwk)
  const next = await thumbprint(jwk)
  if (next === kid) throw new ProtocolError('rekey_unproven', 'the key follows itself')
  const inner = await verifyToken(proof, rekeyKind, (name) => (name === next ? jwk : undefined))
  const isSame = Object.entries(said).every(
    ([name, value]) => JSON.stringify(inner.claims[name as keyof Rekey]) === JSON.stringify(value),
  )
  if (!isSame || inner.claims.proof !== undefined) {
    throw new ProtocolError('rekey_unproven', 'the two keys say different things')
  }
  return { ...verified, next }
}

/** An earlier credential of an organization, and the statement by which its key gave way, if it did so itself. */
export const Ancestor = z.strictObject({
  credential: z.string(),
  rekey: z.string().exactOptional(),
})
export type Ancestor = z.infer<typeof Ancestor>

export type Lineage = {
  /** Earlier keys, the newest first: what they signed stays signed. */
  keys: { kid: Kid; jwk: PublicJwk; credential: Credential }[]
  /** Those of them that gave way to the key that speaks now: what was granted to them is granted to it. */
  follows: Kid[]
}

/**
 * Reads the earlier keys of an organization, each judged at its own time: the newest first. One that is not believed
 * ends the list, one that did not give way by its own word ends what the present key inherits.
 */
export async function readLineage(
  current: Credential,
  ancestors: readonly Ancestor[],
  trust: TrustList,
): Promise<Lineage> {
  const lineage: Lineage = { keys: [], follows: [] }
  let kid = await thumbprint(current.cnf.jwk)
  let before = current
  let isInherited = true
  for (const { credential, rekey } of ancestors.slice(0, rekeyLimits.ancestorsMax)) {
    const read = await readAncestor(credential, current, trust)
    if (read === undefined) break
    const { jwk } = read.credential.cnf
    const next = rekey === undefined ? undefined : await nextOf(rekey, read)
    isInherited &&= next === kid && before.prev_kid === read.kid
    lineage.keys.push({ ...read, jwk })
    if (isInherited) lineage.follows.push(read.kid)
    kid = read.kid
    before = read.credential
  }
  return lineage
}

async function readAncestor(
  token: string,
  current: Credential,
  trust: TrustList,
): Promise<{ kid: Kid; credential: Credential } | undefined> {
  try {
    const { claims } = await verifyToken(token, credentialKind, (kid, { iat }) =>
      issuerKey(trust, iat * 1000)(kid),
    )
    checkPublicKey(claims.cnf.jwk)
    if (claims.sub !== current.sub || claims.iat > current.iat) return undefined
    return { kid: await thumbprint(claims.cnf.jwk), credential: claims }
  } catch (error) {
    if (codeOf(error) === 'internal') throw error
    return undefined
  }
}

async function nextOf(
  rekey: string,
  { kid, credential }: { kid: Kid; credential: Credential },
): Promise<Kid | undefined> {
  try {
    const { next } = await verifyRekey(rekey, {
      keyOf: (name, oid) =>
        name === kid && oid === oidOf(credential.sub) ? credential.cnf.jwk : undefined,
    })
    return next
  } catch (error) {
    if (codeOf(error) === 'internal') throw error
    return undefined
  }
}
