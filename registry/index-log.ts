import { z } from 'zod'
import { ProtocolError } from '#protocol/errors.ts'
import { emptyHead, indexEntryKind, verifyIndexEntry } from '#protocol/index-log.ts'
import type { IndexEntry, IndexHead } from '#protocol/index-log.ts'
import { Sha256 } from '#protocol/ids.ts'
import type { Kid, OrganizationOid, PublicJwk } from '#protocol/ids.ts'
import { indexLimits } from '#protocol/limits.ts'
import { decodeToken, tokenDigest } from '#protocol/jws.ts'
import type { Store, Write } from './store/store.ts'
import { createTurns } from '#protocol/turns.ts'
import type { Turns } from '#protocol/turns.ts'

/** What decides who may see an entry: the study as the entry, or the last one about it, described it. */
const Subject = z.strictObject({
  modalities: z.array(z.string()),
  date: z.string(),
  device: z.string(),
})
export type Subject = z.infer<typeof Subject>
const StoredEntry = z.strictObject({ token: z.string(), digest: Sha256, subject: Subject })
const StoredHead = z.strictObject({ seq: z.int().min(0), digest: Sha256 })

export type LoggedEntry = { seq: number } & z.infer<typeof StoredEntry>

/**
 * Every organization's index log, as the organization signed it. The registry adds nothing and may leave nothing out:
 * numbers and digests chain the entries, so whoever reads them can tell.
 */
export type IndexLog = {
  head(oid: OrganizationOid): Promise<IndexHead>
  /**
   * Appends entries to the caller's own log. Entries that are here already are passed over, so that a push whose
   * answer was lost can be repeated; other content under a known number is `log_fork`, a missing number `log_gap`.
   */
  push(oid: OrganizationOid, tokens: readonly string[]): Promise<IndexHead>
  /** As many entries after a number, oldest first, as fit one frame. */
  own(oid: OrganizationOid, after: number): Promise<string[]>
  /** Entries after a number, oldest first. */
  read(oid: OrganizationOid, after: number, limit: number): Promise<LoggedEntry[]>
}

const entryKey = (oid: OrganizationOid, seq: number): string =>
  `entry/${oid}/${String(seq).padStart(12, '0')}`

export function createIndexLog(deps: {
  store: Store
  keyOf: (oid: OrganizationOid, kid: Kid) => PublicJwk | undefined
  /** Entries were added to an organization's log, of studies that these devices made. */
  onAppend: (oid: OrganizationOid, devices: readonly string[]) => void
}): IndexLog {
  const { store } = deps
  const turns = new Map<OrganizationOid, Turns>()
  const inTurn = (oid: OrganizationOid): Turns => {
    const known = turns.get(oid) ?? createTurns()
    turns.set(oid, known)
    return known
  }
  const readHead = async (oid: OrganizationOid): Promise<IndexHead> => {
    const row = await store.get(`head/${oid}`)
    return row === undefined ? emptyHead : StoredHead.parse(JSON.parse(row))
  }
  const push = async (oid: OrganizationOid, tokens: readonly string[]): Promise<IndexHead> => {
    const before = await readHead(oid)
    let head = before
    const writes: Write[] = []
    const subjects = new Map<string, Subject>()
    for (const token of tokens) {
      const { claims } = decodeToken(token, indexEntryKind)
      if (claims.seq <= head.seq) {
        await checkRepeated(store, oid, { seq: claims.seq, token, pending: writes })
        continue
      }
      const keyOf = (kid: Kid) => deps.keyOf(oid, kid)
      const verified = await verifyIndexEntry(token, { org: oid, head, keyOf })
      head = verified.head
      const { study } = verified.entry.record
      const subject = await subjectOf(store, verified.entry, { oid, pending: subjects })
      subjects.set(study, subject)
      const stored: z.infer<typeof StoredEntry> = { token, digest: head.digest, subject }
      writes.push(
        { put: entryKey(oid, head.seq), value: JSON.stringify(stored) },
        { put: `subject/${oid}/${study}`, value: JSON.stringify(subject) },
      )
    }
    if (head === before) return head
    await store.write([...writes, { put: `head/${oid}`, value: JSON.stringify(head) }])
    deps.onAppend(oid, [...new Set([...subjects.values()].map(({ device }) => device))])
    return head
  }
  const read: IndexLog['read'] = async (oid, after, limit) => {
    const rows = await store.list(`entry/${oid}/`, { after: entryKey(oid, after), limit })
    return rows.map(({ key, value }) => ({
      seq: Number(key.slice(key.lastIndexOf('/') + 1)),
      ...StoredEntry.parse(JSON.parse(value)),
    }))
  }
  return {
    head: readHead,
    push: (oid, tokens) => inTurn(oid)(() => push(oid, tokens)),
    read,
    async own(oid, after) {
      const entries = await read(oid, after, indexLimits.pushBatch)
      let bytes = 0
      return entries
        .map(({ token }) => token)
        .filter((token, index) => (bytes += token.length) <= indexLimits.batchBytes || index === 0)
    },
  }
}

async function checkRepeated(
  store: Store,
  oid: OrganizationOid,
  { seq, token, pending }: { seq: number; token: string; pending: readonly Write[] },
): Promise<void> {
  const key = entryKey(oid, seq)
  const staged = pending.find((write) => 'put' in write && write.put === key)
  const value = staged !== undefined && 'put' in staged ? staged.value : await store.get(key)
  const known = value === undefined ? undefined : StoredEntry.parse(JSON.parse(value))
  if (known?.digest !== (await tokenDigest(token))) {
    throw new ProtocolError('log_fork', `entry ${seq} was published with other content`)
  }
}

/** A removal concerns whoever could see the study before. */
async function subjectOf(
  store: Store,
  entry: IndexEntry,
  { oid, pending }: { oid: OrganizationOid; pending: ReadonlyMap<string, Subject> },
): Promise<Subject> {
  if (entry.kind === 'study') {
    const { modalities, date, device } = entry.record
    return { modalities, date, device }
  }
  const { study } = entry.record
  const row = pending.get(study) ?? (await store.get(`subject/${oid}/${study}`))
  if (row === undefined) return { modalities: [], date: '', device: '' }
  return typeof row === 'string' ? Subject.parse(JSON.parse(row)) : row
}
