import { z } from 'zod'
import { codeOf } from '#protocol/errors.ts'
import { Sha256 } from '#protocol/ids.ts'
import { transparencyLimits } from '#protocol/limits.ts'
import type { Submission } from '#protocol/transparency/entries.ts'
import type { Connection } from '#protocol/transport/transport.ts'
import type { Log } from '../log.ts'
import type { Records } from '../store/records.ts'

/** What this node has the log say of itself. */
export type Submissions = {
  /** A manifest was made; its digest goes with the next minute. */
  manifest(digest: Sha256): void
  /** Whether this node has ever submitted this head of its audit. */
  hasSubmitted(seq: number, digest: string): boolean
  /** The newest head of its audit that it has submitted. */
  newest(): { seq: number; digest: Sha256 } | undefined
  /** Submits what is due, over the link to the registry. */
  submit(request: Connection['request']): Promise<void>
}

export async function openSubmissions(deps: {
  auditHead: () => { seq: number; digest: Sha256 } | undefined
  records: Pick<Records, 'put' | 'list'>
  clock: () => number
  log: Log
}): Promise<Submissions> {
  const { auditHead, records, clock, log } = deps
  const submitted = new Map<number, string>()
  for await (const { key, value } of records.list('log-submitted', z.string())) {
    submitted.set(Number(key), value)
  }
  const manifests = new Set<Sha256>()
  /** What the log took last, in this run: of one that was submitted before, nobody knows. */
  let taken = { seq: 0, at: -Infinity }
  const dueHead = async () => {
    const head = auditHead()
    if (head === undefined || head.seq === taken.seq) return []
    // To either side: a clock that was set back must not keep the head here until it has caught up.
    if (Math.abs(clock() - taken.at) < transparencyLimits.auditHeadIntervalMs) return []
    const known = submitted.get(head.seq)
    // What was submitted is what the audit is compared with: it is never written over.
    if (known !== undefined && known !== head.digest) return []
    if (known === undefined) {
      // Known before it is sent: this node must recognize its own entry.
      await records.put('log-submitted', String(head.seq).padStart(16, '0'), head.digest)
      submitted.set(head.seq, head.digest)
    }
    return [{ kind: 'audit-head' as const, ...head }]
  }
  return {
    manifest(digest) {
      if (manifests.size < transparencyLimits.manifestsPendingMax) manifests.add(digest)
    },
    hasSubmitted: (seq, digest) => submitted.get(seq) === digest,
    newest() {
      // In the order of their numbers: as they were read, and as they came.
      const last = [...submitted].at(-1)
      return last && { seq: last[0], digest: Sha256.parse(last[1]) }
    },
    async submit(request) {
      const now = clock()
      const heads = await dueHead()
      const batch = [...manifests].slice(0, transparencyLimits.submitMax - 1)
      const entries: Submission[] = [
        ...heads,
        ...batch.map((sha256) => ({ kind: 'manifest' as const, sha256 })),
      ]
      if (entries.length === 0) return
      try {
        await request('log.submit', { entries })
        for (const { seq } of heads) taken = { seq, at: now }
        for (const digest of batch) manifests.delete(digest)
      } catch (error) {
        if (codeOf(error) !== 'unsupported') throw error
        log.info('the registry keeps no transparency log')
        manifests.clear()
      }
    },
  }
}
