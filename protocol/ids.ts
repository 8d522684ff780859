import { z } from 'zod'

/** ФРМО OID of an organization: federal (12.1) or regional (12.2) arc, region, number. The identity is this part only. */
export const OrganizationOid = z
  .string()
  .max(64)
  .regex(
    /^1\.2\.643\.5\.1\.13\.13\.12\.[12]\.[1-9]\d?\.[1-9]\d{0,6}$/,
    'not a ФРМО organization OID',
  )
  .brand<'OrganizationOid'>()
export type OrganizationOid = z.infer<typeof OrganizationOid>

/** How an organization is named in tokens: `oid:` and its ФРМО OID. */
export const OrganizationUrn = z
  .string()
  .max(68)
  .regex(/^oid:1\.2\.643\.5\.1\.13\.13\.12\.[12]\.[1-9]\d?\.[1-9]\d{0,6}$/, 'not an organization')
  .brand<'OrganizationUrn'>()
export type OrganizationUrn = z.infer<typeof OrganizationUrn>

export const urnOf = (oid: OrganizationOid): OrganizationUrn => `oid:${oid}` as OrganizationUrn
export const oidOf = (urn: OrganizationUrn): OrganizationOid => urn.slice(4) as OrganizationOid

export const REGISTRY = 'urn:cami:registry'
export const FEDERATION = 'urn:cami:federation'
export const AUTHORITY = 'urn:cami:authority'

const uidPattern = /^[0-9]+(\.[0-9]+)*$/

/** DICOM UIDs (PS3.5 §9.1), read leniently: leading zeros occur in the field and are kept as they came. */
export const StudyUid = z.string().min(1).max(64).regex(uidPattern, 'not a UID').brand<'StudyUid'>()
export type StudyUid = z.infer<typeof StudyUid>
export const SeriesUid = z
  .string()
  .min(1)
  .max(64)
  .regex(uidPattern, 'not a UID')
  .brand<'SeriesUid'>()
export type SeriesUid = z.infer<typeof SeriesUid>
export const SopUid = z.string().min(1).max(64).regex(uidPattern, 'not a UID').brand<'SopUid'>()
export type SopUid = z.infer<typeof SopUid>
/** A UID that the standard or a vendor assigned: SOP class, transfer syntax. */
export const Uid = z.string().min(1).max(64).regex(uidPattern, 'not a UID')

/** libp2p peer id of an Ed25519 key, base58. */
export const PeerIdString = z
  .string()
  .regex(/^12D3KooW[1-9A-HJ-NP-Za-km-z]{44}$/, 'not an Ed25519 peer id')
  .brand<'PeerIdString'>()
export type PeerIdString = z.infer<typeof PeerIdString>

/** RFC 7638 thumbprint of a JWK. */
export const Kid = z
  .string()
  .regex(/^[A-Za-z0-9_-]{43}$/, 'not a key thumbprint')
  .brand<'Kid'>()
export type Kid = z.infer<typeof Kid>

/** SHA-256, lower-case hexadecimal. */
export const Sha256 = z
  .string()
  .regex(/^[0-9a-f]{64}$/, 'not a SHA-256')
  .brand<'Sha256'>()
export type Sha256 = z.infer<typeof Sha256>

/** ULID: 48 bits of time and 80 of chance, Crockford base32. */
export const Ulid = z.string().regex(/^[0-7][0-9A-HJKMNP-TV-Z]{25}$/, 'not a ULID')

/** A user as other organizations know her: `<organization OID>#<account ULID>`. */
export const UserId = z
  .string()
  .max(91)
  .regex(
    /^1\.2\.643\.5\.1\.13\.13\.12\.[12]\.[1-9]\d?\.[1-9]\d{0,6}#[0-7][0-9A-HJKMNP-TV-Z]{25}$/,
    'not a user id',
  )
  .brand<'UserId'>()
export type UserId = z.infer<typeof UserId>

/** The organization whose node knows this user. */
export const organizationOfUser = (user: UserId): OrganizationOid =>
  user.slice(0, user.indexOf('#')) as OrganizationOid

/** Seconds since 1970, as tokens carry them. */
export const Seconds = z
  .int()
  .min(0)
  .lt(2 ** 40)

/** A public Ed25519 key as a JWK (RFC 8037). */
export const PublicJwk = z.strictObject({
  kty: z.literal('OKP'),
  crv: z.literal('Ed25519'),
  x: z.string().regex(/^[A-Za-z0-9_-]{43}$/, 'not an Ed25519 public key'),
})
export type PublicJwk = z.infer<typeof PublicJwk>
/** A private Ed25519 key, as key files hold it. */
export const PrivateJwk = z.strictObject({
  ...PublicJwk.shape,
  d: z.string().regex(/^[A-Za-z0-9_-]{43}$/, 'not an Ed25519 private key'),
})
export type PrivateJwk = z.infer<typeof PrivateJwk>

const base32 = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

/** A ULID for the time `now` (ms) and ten random bytes. */
export function ulid(now: number, random: Uint8Array): string {
  let text = ''
  for (let i = 0, t = now; i < 10; i++, t = Math.floor(t / 32)) text = base32.charAt(t % 32) + text
  let bits = 0n
  for (const byte of random.subarray(0, 10)) bits = (bits << 8n) | BigInt(byte)
  let tail = ''
  for (let i = 0; i < 16; i++, bits >>= 5n) tail = base32.charAt(Number(bits & 31n)) + tail
  return text + tail
}
