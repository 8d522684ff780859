import { z } from 'zod'
import { canonicalJson, parseCanonicalJson } from '../canonical-json.ts'
import { ProtocolError } from '../errors.ts'
import { Kid, OrganizationOid, Seconds, Sha256, Ulid } from '../ids.ts'
import { transparencyLimits } from '../limits.ts'

/** The registry's own moment; the times of tokens are their signers'. */
const at = Seconds
const token = z.string().max(transparencyLimits.entryBytes)

/**
 * What the log holds: one canonical JSON object for each leaf. Tokens are whole, so that a reader checks them itself;
 * of people there are only the salted commitments that a grant carries.
 */
export const LogEntry = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('trust-list'), at, token }),
  z.strictObject({ kind: z.literal('credential'), at, token }),
  /** An organization changes its key: the word of both keys, before the credential that follows. */
  z.strictObject({ kind: z.literal('rekey'), at, token }),
  z.strictObject({ kind: z.literal('key-revocation'), at, kid: Kid }),
  z.strictObject({
    kind: z.literal('suspension'),
    at,
    org: OrganizationOid,
    state: z.enum(['imposed', 'lifted']),
  }),
  z.strictObject({ kind: z.literal('grant'), at, token }),
  z.strictObject({
    kind: z.literal('grant-end'),
    at,
    jti: Ulid,
    by: z.enum(['holder', 'grantee', 'operator', 'expiry']),
  }),
  /** The newest record of an organization's audit: what is missing or altered below it shows. */
  z.strictObject({
    kind: z.literal('audit-head'),
    at,
    org: OrganizationOid,
    seq: z.int().min(1),
    digest: Sha256,
  }),
  /** A holder let somebody in without a grant; the assertion's digest names user, study and reason without telling them. */
  z.strictObject({
    kind: z.literal('emergency'),
    at,
    org: OrganizationOid,
    grantee: OrganizationOid,
    assertion: Sha256,
  }),
  /** A suspended organization may read one study of this holder for a day; which one stands in the holder's epoch alone. */
  z.strictObject({
    kind: z.literal('cito'),
    at,
    id: Ulid,
    org: OrganizationOid,
    holder: OrganizationOid,
    state: z.enum(['opened', 'withdrawn']),
  }),
  /** A study's manifest existed at this time; which study it is of is not said. */
  z.strictObject({ kind: z.literal('manifest'), at, sha256: Sha256 }),
])
export type LogEntry = z.infer<typeof LogEntry>

/** What a node may add of its own; the registry says who it is and when. */
export const Submission = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('audit-head'), seq: z.int().min(1), digest: Sha256 }),
  z.strictObject({ kind: z.literal('manifest'), sha256: Sha256 }),
  z.strictObject({
    kind: z.literal('emergency'),
    grantee: OrganizationOid,
    assertion: Sha256,
  }),
])
export type Submission = z.infer<typeof Submission>

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Throws `too_large` for what no bundle could hold. */
export function encodeEntry(entry: LogEntry): Uint8Array {
  const bytes = encoder.encode(canonicalJson(entry))
  if (bytes.length > transparencyLimits.entryBytes) {
    throw new ProtocolError('too_large', 'a log entry is too large')
  }
  return bytes
}

/** Throws `log_malformed`. */
export function decodeEntry(bytes: Uint8Array): LogEntry {
  try {
    return LogEntry.parse(parseCanonicalJson(decoder.decode(bytes)))
  } catch (cause) {
    throw new ProtocolError('log_malformed', 'not an entry of the log', { cause })
  }
}
