import { z } from 'zod'
import { errorCodes } from './errors.ts'
import { SeriesUid, SopUid, StudyUid } from './ids.ts'

/** Frame types of `/cami/fetch/1`: `u32 length | u8 type | body`, the length counts type and body. */
export const fetchFrameType = {
  open: 1,
  want: 2,
  credit: 3,
  cancel: 4,
  data: 16,
  done: 17,
  error: 18,
} as const

/** First frame of the reader. */
export const FetchOpen = z.strictObject({
  assertion: z.string(),
  study: StudyUid,
  /** Streams of class `background` yield to `interactive` ones. */
  priority: z.enum(['interactive', 'background']),
})
export type FetchOpen = z.infer<typeof FetchOpen>

/**
 * What the reader wants next. An instance's bytes from `offset` on (resume), `length` of them when given; or the
 * DICOM JSON metadata of a series, brotli, so that a viewer can lay a series out before its pixels arrive.
 * Smaller `rank` is served first; a want may be sent again with another rank.
 */
export const FetchWant = z.union([
  z.strictObject({
    want: z
      .int()
      .min(1)
      .lt(2 ** 32),
    sop: SopUid,
    offset: z.int().min(0),
    length: z.int().min(1).exactOptional(),
    rank: z.int().min(0).max(1_000_000),
  }),
  z.strictObject({
    want: z
      .int()
      .min(1)
      .lt(2 ** 32),
    metadata: SeriesUid,
    rank: z.int().min(0).max(1_000_000),
  }),
])
export type FetchWant = z.infer<typeof FetchWant>

export const FetchCancel = z.strictObject({
  want: z
    .int()
    .min(1)
    .lt(2 ** 32),
})
export type FetchCancel = z.infer<typeof FetchCancel>

/** `want` absent: the whole stream is refused and ends. */
export const FetchError = z.strictObject({
  want: z.int().min(1).exactOptional(),
  code: z.enum(errorCodes),
})
export type FetchError = z.infer<typeof FetchError>
