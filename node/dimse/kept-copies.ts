import { z } from 'zod'
import { StudyUid } from '#protocol/ids.ts'
import { sendLimits } from '#protocol/limits.ts'
import type { CopyProof, FindProof } from '../archive/retention.ts'
import type { Records } from '../store/records.ts'
import { sentMark } from './send-work.ts'

/** What a target said it keeps of a study: exactly the instances it was asked about. */
export const KeptCopy = z.strictObject({
  /** Of a route, see `targetKey`. */
  to: z.string().max(300),
  study: StudyUid,
  /** By `sentMark`. */
  marks: z.array(z.string().length(16)),
  /** When it said so last, milliseconds. */
  keptAt: z.int(),
})
export type KeptCopy = z.infer<typeof KeptCopy>

/** Results of storage commitment, kept as long as the study is: bytes leave an archive on them. */
export type KeptCopies = {
  note(copy: KeptCopy): Promise<void>
  /** The target keeps something of it no longer, or more has been sent to it since. */
  forget(study: StudyUid, to: string): Promise<void>
  /** Asks for a newer answer when the last one grows old; meanwhile gives the last one. */
  readonly findProof: FindProof
  /** Who asks a target again. */
  onStale(renew: (copy: KeptCopy) => Promise<void>): void
}

const kind = 'kept-copy'
const keyOf = (study: string, to: string): string => `${study} ${to}`

export function createKeptCopies(deps: {
  records: Pick<Records, 'put' | 'del' | 'list'>
  /** An answer older than this is asked for anew. */
  renewAfterMs: number
  clock: () => number
}): KeptCopies {
  const { records, renewAfterMs, clock } = deps
  let renew: ((copy: KeptCopy) => Promise<void>) | undefined

  /** Of a study there are as many as there are routes. */
  async function copiesOf(study: string): Promise<KeptCopy[]> {
    const copies: KeptCopy[] = []
    const options = { after: keyOf(study, ''), limit: sendLimits.targetsMax }
    for await (const { key, value } of records.list(kind, KeptCopy, options)) {
      if (!key.startsWith(keyOf(study, ''))) break
      copies.push(value)
    }
    return copies.toSorted((a, b) => b.keptAt - a.keptAt)
  }

  return {
    note: (copy) => records.put(kind, keyOf(copy.study, copy.to), copy),
    forget: (study, to) => records.del(kind, keyOf(study, to)),
    onStale(listener) {
      renew = listener
    },
    async findProof({ study, sop, sha256, bytes }) {
      const mark = sentMark(sop)
      const copies = (await copiesOf(study)).filter(({ marks }) => marks.includes(mark))
      const [newest] = copies
      if (newest === undefined) return undefined
      if (clock() - newest.keptAt > renewAfterMs) await renew?.(newest)
      return {
        kind: 'storage-commitment',
        sop,
        sha256,
        bytes,
        to: newest.to.slice(0, newest.to.lastIndexOf('@')),
        verifiedAt: newest.keptAt,
      } satisfies CopyProof
    },
  }
}
