import { CompactSign, compactVerify, importJWK } from 'jose'
import { decodeBase64url, sha256, toHex } from './bytes.ts'
import { canonicalJson, parseCanonicalJson } from './canonical-json.ts'
import { ProtocolError } from './errors.ts'
import { Kid } from './ids.ts'
import type { PrivateJwk, PublicJwk, Sha256 } from './ids.ts'
import { checkPrivateKey, publicJwk, thumbprint } from './keys.ts'
import { tokenLimits } from './limits.ts'
import type { z } from 'zod'

/**
 * The one profile of signed things: compact JWS, header exactly `{alg, kid, typ}`, `alg` always `Ed25519` (RFC 9864),
 * canonical payload, strict schema, one spelling per token. jose proves signatures; everything around is checked here,
 * because a library for all of JOSE accepts much that we must not (unknown claims, no `exp`, a second base64 spelling).
 */

export type TokenType =
  | 'cami-trust+jwt'
  | 'cami-mo+jwt'
  | 'cami-rekey+jwt'
  | 'cami-proof+jwt'
  | 'cami-grant-req+jwt'
  | 'cami-grant+jwt'
  | 'cami-access+jwt'
  | 'cami-receipt+jwt'
  | 'cami-epoch+jwt'
  | 'cami-beat+jwt'
  | 'cami-index+jwt'
  | 'cami-manifest+jws'

const bytesMax: Record<TokenType, number> = {
  'cami-trust+jwt': tokenLimits.trustListBytes,
  'cami-mo+jwt': tokenLimits.credentialBytes,
  'cami-rekey+jwt': tokenLimits.rekeyBytes,
  'cami-proof+jwt': tokenLimits.proofBytes,
  'cami-grant-req+jwt': tokenLimits.grantRequestBytes,
  'cami-grant+jwt': tokenLimits.grantBytes,
  'cami-access+jwt': tokenLimits.assertionBytes,
  'cami-receipt+jwt': tokenLimits.receiptBytes,
  'cami-epoch+jwt': tokenLimits.epochBytes,
  'cami-beat+jwt': tokenLimits.beatBytes,
  'cami-index+jwt': tokenLimits.indexEntryBytes,
  'cami-manifest+jws': tokenLimits.manifestRootBytes,
}

/** What a reader expects to find: each message's file names its own kind. */
export type TokenKind<T> = { typ: TokenType; schema: z.ZodType<T>; maxBytes: number }

/** A token whose form and signature have been checked (and its times, by its own `verify…`), with the key that signed it. */
export type Verified<T> = { claims: T; kid: Kid; digest: Sha256 }

export type Signer = {
  readonly kid: Kid
  readonly jwk: PublicJwk
  /** Throws `too_large` rather than make what every reader refuses. */
  sign(typ: TokenType, claims: unknown): Promise<string>
}

export async function createSigner(key: PrivateJwk): Promise<Signer> {
  checkPrivateKey(key)
  const jwk = publicJwk(key)
  const kid = await thumbprint(jwk)
  const secret = await importJWK({ ...jwk, d: key.d }, 'Ed25519')
  return {
    kid,
    jwk,
    async sign(typ, claims) {
      const payload = new TextEncoder().encode(canonicalJson(claims))
      const header = { alg: 'Ed25519', kid, typ }
      const token = await new CompactSign(payload).setProtectedHeader(header).sign(secret)
      if (token.length > bytesMax[typ]) throw new ProtocolError('too_large', `${typ} is too large`)
      return token
    },
  }
}

export type DecodedToken<T> = { kid: Kid; claims: T; signingInput: string }

/** Form only: size, header, canonical payload, schema; nothing is proven. */
export function decodeToken<T>(token: string, kind: TokenKind<T>): DecodedToken<T> {
  if (token.length > Math.min(kind.maxBytes, bytesMax[kind.typ])) {
    throw new ProtocolError('too_large', `${kind.typ} is too large`)
  }
  const [header, payload, signature] = partsOf(token)
  const kid = kidOf(textOf(header), kind.typ)
  if (decoded(signature).length !== 64) throw malformed('the signature has not 64 bytes')
  const claims = kind.schema.safeParse(jsonOf(textOf(payload)))
  if (!claims.success) {
    throw new ProtocolError('token_malformed', `${kind.typ}: claims not as specified`, {
      cause: claims.error,
    })
  }
  return { kid, claims: claims.data, signingInput: `${header}.${payload}` }
}

/** SHA-256 of the signing input: how tokens refer to each other (a signature is no part of what was said). */
export async function tokenDigest(token: string): Promise<Sha256> {
  const [header, payload] = partsOf(token)
  return sha256Hex(`${header}.${payload}`)
}

/**
 * Form and signature. `keyOf` answers with the key that may sign this claim under this `kid`, or nothing; it decides who
 * is believed, so it must look at the claimed issuer whenever more than one party has keys.
 */
export async function verifyToken<T>(
  token: string,
  kind: TokenKind<T>,
  keyOf: (kid: Kid, claims: T) => PublicJwk | undefined,
): Promise<Verified<T>> {
  const { kid, claims, signingInput } = decodeToken(token, kind)
  const jwk = keyOf(kid, claims)
  if (jwk === undefined || (await thumbprint(jwk)) !== kid) {
    throw new ProtocolError('token_unknown_key', `${kind.typ}: unknown key`)
  }
  try {
    await compactVerify(token, await importJWK(publicJwk(jwk), 'Ed25519'), {
      algorithms: ['Ed25519'],
    })
  } catch (cause) {
    throw new ProtocolError('token_bad_signature', `${kind.typ}: bad signature`, { cause })
  }
  return { claims, kid, digest: await sha256Hex(signingInput) }
}

/** SHA-256 in hexadecimal. */
export async function sha256Hex(bytes: Uint8Array | string): Promise<Sha256> {
  return toHex(await sha256(bytes)) as Sha256
}

const malformed = (what: string, cause?: unknown): ProtocolError =>
  new ProtocolError('token_malformed', what, { cause })

function partsOf(token: string): [string, string, string] {
  const [header = '', payload, signature, more] = token.split('.', 4)
  if (payload === undefined || signature === undefined || more !== undefined) {
    throw malformed('not a compact JWS')
  }
  return [header, payload, signature]
}

function decoded(part: string): Uint8Array {
  try {
    return decodeBase64url(part)
  } catch (cause) {
    throw malformed('not canonical base64url', cause)
  }
}

function textOf(part: string): string {
  try {
    // With the byte order mark kept and errors fatal, a text has one spelling in bytes.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(decoded(part))
  } catch (cause) {
    throw cause instanceof ProtocolError ? cause : malformed('not UTF-8', cause)
  }
}

function jsonOf(text: string): unknown {
  try {
    return parseCanonicalJson(text)
  } catch (cause) {
    throw malformed('not canonical JSON', cause)
  }
}

/** The header has one spelling, too: what is not `{alg, kid, typ}` to the byte is refused (`crit`, `jwk`, `b64`, …). */
function kidOf(text: string, typ: TokenType): Kid {
  const header = jsonOf(text)
  if (typeof header !== 'object' || header === null) throw malformed('header not as specified')
  const found = 'kid' in header ? Kid.safeParse(header.kid) : undefined
  if (found?.success !== true) throw malformed('no key thumbprint in the header')
  if (text === canonicalJson({ alg: 'Ed25519', kid: found.data, typ })) return found.data
  const otherType = 'typ' in header && header.typ !== typ
  throw otherType
    ? new ProtocolError('token_wrong_type', `not a ${typ}`)
    : malformed('header not as specified')
}
