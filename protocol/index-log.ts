import { z } from 'zod'
import { OrganizationOid, OrganizationUrn, Seconds, Sha256, StudyUid } from './ids.ts'
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
