import { z } from 'zod'
import { ProtocolError } from './errors.ts'
import { OrganizationOid, OrganizationUrn, Seconds, Sha256, StudyUid, urnOf } from './ids.ts'
import type { Kid, PublicJwk } from './ids.ts'
import { verifyToken } from './jws.ts'
import type { TokenKind } from './jws.ts'
import { tokenLimits } from './limits.ts'
import { StudyRecord } from './study.ts'

const head = {
  v: z.literal(1),
  org: OrganizationUrn,
  /** From 1, without gaps. */
  seq: z.int().min(1),
  /** SHA-256 of the previous entry's signing input; 64 zeros in the first. */
  prev: Sha256,
  iat: Seconds,
}

/** `typ: cami-index+jwt`: one change of a holder's index, signed by the holder, numbered and chained. */
export const IndexEntry = z.discriminatedUnion('kind', [
  z.strictObject({ ...head, kind: z.literal('study'), record: StudyRecord }),
  z.strictObject({
    ...head,
    kind: z.literal('study-removed'),
    record: z.strictObject({ study: StudyUid }),
  }),
])
export type IndexEntry = z.infer<typeof IndexEntry>

/** How an entry travels: whole, or withheld from a follower who may not see it (its digest keeps the chain checkable). */
export const IndexItem = z.union([
  z.strictObject({ org: OrganizationOid, seq: z.int().min(1), entry: z.string() }),
  z.strictObject({ org: OrganizationOid, seq: z.int().min(1), withheld: Sha256 }),
])
export type IndexItem = z.infer<typeof IndexItem>

/** Where a reader of one organization's log stands: the last accepted number and digest. */
export type IndexHead = { seq: number; digest: Sha256 }
export const emptyHead: IndexHead = { seq: 0, digest: '0'.repeat(64) as Sha256 }

export const indexEntryKind: TokenKind<IndexEntry> = {
  typ: 'cami-index+jwt',
  schema: IndexEntry,
  maxBytes: tokenLimits.indexEntryBytes,
}

type Expected = {
  org: OrganizationOid
  /** Where this reader stands; entries up to it are skipped by the caller, not verified again. */
  head: IndexHead
  /** Keys of `org` only. */
  keyOf: (kid: Kid) => PublicJwk | undefined
}

/**
 * Accepts the next entry of one organization's log. `log_gap`: ask again from the head. `log_fork`: this number was
 * signed twice with different content, or a predecessor is denied; evidence against the organization, so the
 * signature is proven before that is said.
 */
export async function verifyIndexEntry(
  token: string,
  { org, head, keyOf }: Expected,
): Promise<{ entry: IndexEntry; head: IndexHead }> {
  const { claims: entry, digest } = await verifyToken(token, indexEntryKind, keyOf)
  if (entry.org !== urnOf(org)) {
    throw new ProtocolError('log_foreign', 'an entry about another organization')
  }
  if (entry.seq === head.seq && digest !== head.digest) {
    throw new ProtocolError('log_fork', 'one number with two contents')
  }
  checkNext(entry.seq, head)
  if (entry.prev !== head.digest) {
    throw new ProtocolError('log_fork', 'the entry follows another predecessor')
  }
  return { entry, head: { seq: entry.seq, digest } }
}

/**
 * The same for an item as followers get it. A withheld one carries only its digest, which nothing proves until the next
 * visible entry names it as its predecessor.
 */
export async function acceptIndexItem(
  item: IndexItem,
  expected: Expected,
): Promise<{ entry?: IndexEntry; head: IndexHead }> {
  if (item.org !== expected.org) {
    throw new ProtocolError('log_foreign', 'an item of another organization')
  }
  checkNext(item.seq, expected.head)
  if ('withheld' in item) return { head: { seq: item.seq, digest: item.withheld } }
  const accepted = await verifyIndexEntry(item.entry, expected)
  return accepted
}

function checkNext(seq: number, head: IndexHead): void {
  if (seq !== head.seq + 1) {
    throw new ProtocolError('log_gap', `entry ${seq} after ${head.seq}`)
  }
}
