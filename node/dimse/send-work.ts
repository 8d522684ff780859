import { hash } from 'node:crypto'
import { z } from 'zod'
import { StudyUid, Uid } from '#protocol/ids.ts'

/** A study on its way to one target. */
export const SendWork = z.strictObject({
  /** Of a route, see `targetKey`. */
  to: z.string().max(300),
  study: StudyUid,
  /** Counts the changes of the study, so that one during a transfer is noticed. */
  wanted: z.int(),
  /** What the target has acknowledged, by `sentMark`. */
  sent: z.array(z.string().length(16)),
  /** Of those, what it took with a reservation: it may hold other bytes, and can prove no copy. */
  warned: z.array(z.string().length(16)).exactOptional(),
  /** Instances that the target refused in the last attempt. */
  refused: z.int(),
  /** What the target says of keeping it; absent: it was not asked. */
  commitment: z
    .strictObject({
      state: z.enum(['asked', 'kept', 'failed']),
      transactions: z.array(Uid),
      failed: z.int(),
      /** What it was asked about and has not answered yet: by `sentMark` of UID and class. */
      asked: z.array(z.string().length(16)).exactOptional(),
      /** What it said it keeps, by `sentMark`, until it has answered all. */
      kept: z.array(z.string().length(16)).exactOptional(),
    })
    .exactOptional(),
})
export type SendWork = z.infer<typeof SendWork>

/** Sixteen digits tell the instances of a study apart, and a job with all of them stays small. */
export const sentMark = (sop: string): string => hash('sha256', sop).slice(0, 16)
