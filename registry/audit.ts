import { createHash } from 'node:crypto'
import { z } from 'zod'
import { canonicalJson } from '#protocol/canonical-json.ts'
import { Sha256 } from '#protocol/ids.ts'
import type { Store, Write } from './store/store.ts'
import { createTurns } from '#protocol/turns.ts'

/** Who did what at the registry. It names accounts and forms, never what stands in a form. */
export const AuditRecord = z.strictObject({
  seq: z.int().min(1),
  at: z.int().min(0),
  /** Account, or what was given as a login. */
  actor: z.string().max(128),
  role: z.string().max(32),
  source: z.string().max(128),
  action: z.string().max(64),
  subject: z.string().max(128),
  outcome: z.enum(['success', 'denied', 'failure']),
  detail: z.string().max(200),
  /** SHA-256 of the digest of the record before and this one without it. */
  digest: Sha256,
})
export type AuditRecord = z.infer<typeof AuditRecord>
export type Act = Omit<AuditRecord, 'seq' | 'at' | 'digest' | 'detail'> & { detail?: string }

/** Append-only; each record stands on the digest of the one before, so that none can be taken out or changed unseen. */
export type Audit = {
  /** On the disk when it resolves. `with` is written in the same batch: neither is there without the other. */
  append(act: Act, writes?: readonly Write[]): Promise<void>
  list(page: { after?: number; limit: number }): Promise<AuditRecord[]>
  /** Number of the newest record. */
  count(): number
  verify(): Promise<{ ok: true; count: number } | { ok: false; at: number }>
}

const chainStart = '0'.repeat(64)
const keyOf = (seq: number) => `audit/${String(seq).padStart(12, '0')}`
const headKey = 'audit-head'
const pageRows = 500

export async function openAudit(store: Store, clock: () => number): Promise<Audit> {
  const inTurn = createTurns()
  const last = await store.last('audit/')
  const newest = last === undefined ? undefined : AuditRecord.parse(JSON.parse(last.value))
  let head = { seq: newest?.seq ?? 0, digest: newest?.digest ?? chainStart }

  const list: Audit['list'] = async ({ after = 0, limit }) => {
    const rows = await store.list('audit/', { after: keyOf(after), limit })
    return rows.map(({ value }) => AuditRecord.parse(JSON.parse(value)))
  }
  return {
    append: (act, writes = []) =>
      inTurn(async () => {
        const text = { detail: '', ...act }
        const bare = { ...clip(text), seq: head.seq + 1, at: clock() }
        const record: AuditRecord = { ...bare, digest: linkOf(head.digest, bare) }
        const next = { seq: record.seq, digest: record.digest }
        await store.write([
          ...writes,
          { put: keyOf(record.seq), value: JSON.stringify(record) },
          { put: headKey, value: JSON.stringify(next) },
        ])
        head = next
      }),
    list,
    count: () => head.seq,
    async verify() {
      let seq = 0
      let digest = chainStart
      for (;;) {
        const records = await list({ after: seq, limit: pageRows }).catch(() => undefined)
        if (records === undefined) return { ok: false, at: seq + 1 }
        for (const { digest: said, ...bare } of records) {
          if (bare.seq !== seq + 1 || linkOf(digest, bare) !== said)
            return { ok: false, at: seq + 1 }
          seq = bare.seq
          digest = said
        }
        if (records.length < pageRows) break
      }
      const promised = await store.get(headKey)
      const isWhole =
        promised === undefined ? seq === 0 : promised === JSON.stringify({ seq, digest })
      return isWhole ? { ok: true, count: seq } : { ok: false, at: seq + 1 }
    },
  }
}

const linkOf = (before: string, record: Omit<AuditRecord, 'digest'>): Sha256 =>
  createHash('sha256').update(before).update(canonicalJson(record)).digest('hex') as Sha256

/** A record must not be lost because whoever caused it sent long texts. */
function clip<T extends { actor: string; source: string; subject: string; detail: string }>(
  act: T,
): T {
  const cut = (text: string, max: number) => text.slice(0, max).toWellFormed()
  return {
    ...act,
    actor: cut(act.actor, 128),
    source: cut(act.source, 128),
    subject: cut(act.subject, 128),
    detail: cut(act.detail, 200),
  }
}
