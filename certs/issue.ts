import { z } from 'zod'
import { assertionKind } from '#protocol/assertion.ts'
import { decodeBase64url } from '#protocol/bytes.ts'
import { Credential, credentialKind } from '#protocol/credential.ts'
import type { DocumentReference } from '#protocol/credential.ts'
import { beatKind, epochKind } from '#protocol/epoch.ts'
import { ProtocolError } from '#protocol/errors.ts'
import { grantKind, grantRequestKind } from '#protocol/grant.ts'
import { AUTHORITY, FEDERATION, REGISTRY, ulid, urnOf } from '#protocol/ids.ts'
import type { Kid, OrganizationOid, PublicJwk, Sha256 } from '#protocol/ids.ts'
import { indexEntryKind } from '#protocol/index-log.ts'
import { decodeToken, tokenDigest } from '#protocol/jws.ts'
import type { Signer, TokenKind, TokenType } from '#protocol/jws.ts'
import { checkPublicKey, peerIdOf, thumbprint } from '#protocol/keys.ts'
import { tokenLimits } from '#protocol/limits.ts'
import { manifestKind } from '#protocol/manifest.ts'
import { possessionKind } from '#protocol/possession.ts'
import { receiptKind } from '#protocol/receipt.ts'
import { rekeyKind } from '#protocol/rekey.ts'
import { checkLifetime } from '#protocol/times.ts'
import { TrustList, trustListKind, verifyTrustList } from '#protocol/trust-list.ts'
import type { LogTrust, Policy } from '#protocol/trust-list.ts'

const day = 24 * 60 * 60
const secondsOf = (now: number): number => Math.floor(now / 1000)

/** The authority names the issuing keys, the registry and the policy of the federation. */
export async function signTrustList(options: {
  root: Signer
  issuers: readonly PublicJwk[]
  registry: PublicJwk
  policy: Policy
  log?: LogTrust
  ver: number
  now: number
  days: number
  /** Digest of the list that this one follows. */
  prev?: Sha256
}): Promise<string> {
  const { root, issuers, registry, policy, log, ver, now, days, prev } = options
  const iat = secondsOf(now)
  const exp = iat + days * day
  const claims = {
    iss: AUTHORITY,
    aud: FEDERATION,
    ver,
    ...(prev === undefined ? {} : { prev }),
    iat,
    exp,
    authority: { jwk: root.jwk },
    issuers: await Promise.all(
      issuers.map(async (jwk) => ({ kid: await thumbprint(jwk), jwk, nbf: iat, exp })),
    ),
    registry: { jwk: registry },
    policy,
    ...(log === undefined ? {} : { log }),
  }
  const token = await root.sign(trustListKind.typ, parse(TrustList, claims))
  // Nothing is issued that a reader would refuse.
  await verifyTrustList(token, { authority: root.kid, now })
  return token
}

/** The registry's operator states which key speaks for an organization. */
export async function issueCredential(options: {
  issuer: Signer
  oid: OrganizationOid
  name: string
  jwk: PublicJwk
  now: number
  days: number
  random: (bytes: number) => Uint8Array
  form1?: DocumentReference
  /** The key that this one follows, by a change of key. */
  follows?: Kid
  /** That the organization has the key. */
  proof?: string
}): Promise<string> {
  const { issuer, oid, name, jwk, now, days, random, form1, follows, proof } = options
  checkPublicKey(jwk)
  const iat = secondsOf(now)
  const claims = parse(Credential, {
    iss: REGISTRY,
    sub: urnOf(oid),
    aud: FEDERATION,
    jti: ulid(now, random(10)),
    iat,
    nbf: iat,
    exp: iat + days * day,
    name,
    peer_id: peerIdOf(jwk),
    cnf: { jwk },
    ...(form1 === undefined ? {} : { form1 }),
    ...(follows === undefined ? {} : { prev_kid: follows }),
    ...(proof === undefined ? {} : { pop: proof }),
  })
  checkLifetime(claims, tokenLimits.credentialLifetimeSeconds)
  return issuer.sign(credentialKind.typ, claims)
}

function parse<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  throw new ProtocolError('bad_request', z.prettifyError(result.error), { cause: result.error })
}

const kinds: Record<TokenType, TokenKind<unknown>> = {
  'cami-trust+jwt': trustListKind,
  'cami-mo+jwt': credentialKind,
  'cami-rekey+jwt': rekeyKind,
  'cami-proof+jwt': possessionKind,
  'cami-grant-req+jwt': grantRequestKind,
  'cami-grant+jwt': grantKind,
  'cami-access+jwt': assertionKind,
  'cami-receipt+jwt': receiptKind,
  'cami-epoch+jwt': epochKind,
  'cami-beat+jwt': beatKind,
  'cami-index+jwt': indexEntryKind,
  'cami-manifest+jws': manifestKind,
}

export type Inspected = { typ: TokenType; kid: Kid; digest: Sha256; claims: unknown }

/** What a token says, of whatever type; its form is checked, its signature is not. */
export async function inspect(token: string): Promise<Inspected> {
  const typ = typeOf(token)
  const { kid, claims } = decodeToken(token, kinds[typ])
  return { typ, kid, digest: await tokenDigest(token), claims }
}

const Header = z.object({ typ: z.enum(Object.keys(kinds) as TokenType[]) })

function typeOf(token: string): TokenType {
  try {
    const [header = ''] = token.split('.', 1)
    return Header.parse(JSON.parse(new TextDecoder().decode(decodeBase64url(header)))).typ
  } catch (cause) {
    throw new ProtocolError('token_wrong_type', 'not a token of a known type', { cause })
  }
}
